//! The freeze gate has no parameters.

use schemas::policy::Freeze;

use super::{Complaints, Site};

pub(super) fn check(_: &Freeze, _: &Site, _: &mut Complaints) {}
