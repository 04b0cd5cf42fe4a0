//! What people and pipelines of a [`World`] do.

use schemas::id::{Digest, Hash};
use schemas::policy::PolicyDocument;
use schemas::predicate::deployment::{self, Deployment, DeploymentResult};
use schemas::predicate::policy::{self, Policy};
use schemas::predicate::promotion_request::{PromotionRequest, RequestPath};
use schemas::statement::{Statement, Subject};
use verifier::canonical::canonical_of;
use verifier::merkle::sha256;
use verifier::sign::sign_statement;

use crate::world::{PROJECT, World};

impl World {
    /// Logs a policy; answers its statement.
    pub async fn set_policy(&self, json: &str) -> Hash {
        let document: PolicyDocument = serde_json::from_str(json).unwrap();
        let digest = Digest::sha256(&sha256(&[&canonical_of(&document).unwrap()]));
        let body = Policy {
            ledger: self.ledger.origin().clone(),
            project: document.project.clone(),
            nonce: self.ledger.nonce().unwrap(),
            policy: document,
            replaces: None,
            source: None,
        };
        let statement = Statement::new(vec![Subject::of(&digest, None)], policy::TYPE, body);
        let envelope = sign_statement(&statement, &[&self.writer]).unwrap();
        self.submit(envelope).await.unwrap().statement
    }

    pub async fn request_body(&self, project: &str, to: &str) -> PromotionRequest {
        PromotionRequest {
            ledger: self.ledger.origin().clone(),
            project: project.parse().unwrap(),
            nonce: self.ledger.nonce().unwrap(),
            to: to.parse().unwrap(),
            reason: "it is time".into(),
            path: RequestPath::Normal,
            withdraws: None,
            incident: None,
            ticket: None,
            plans: None,
            seen: self.ledger.seen().await.unwrap(),
        }
    }

    /// Logs that an artifact is in prod.
    pub async fn deploy(&self, artifact: &Digest) {
        let body = Deployment {
            ledger: self.ledger.origin().clone(),
            project: PROJECT.parse().unwrap(),
            nonce: self.ledger.nonce().unwrap(),
            environment: "prod".parse().unwrap(),
            result: DeploymentResult::Succeeded,
            actor: None,
            promotion: None,
            target: None,
            finished_at: None,
        };
        self.log(artifact, deployment::TYPE, body, &self.ci).await;
        self.clock.advance(1000);
    }
}
