//! Events that come late, because their sender could not reach the ledger when they were signed.

use std::time::Duration;

use axum::http::HeaderMap;

use super::problem::Problem;

/// The header in which a caller says for how many seconds: for metrics, and nothing else.
pub const SPOOLED: &str = "attestry-spooled";

/// How long the events of a request have waited, if they have.
pub fn waited(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let Some(value) = headers.get(SPOOLED) else { return Ok(None) };
    let seconds = value.to_str().ok().and_then(|text| text.parse::<u32>().ok());
    let seconds = seconds.ok_or_else(|| {
        Problem::bad_request(format!("{SPOOLED}: not a number of seconds below 2^32"))
    })?;
    Ok(Some(Duration::from_secs(seconds.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_strictly() {
        let read = |text: &'static str| {
            let headers = HeaderMap::from_iter([(SPOOLED.parse().unwrap(), text.parse().unwrap())]);
            waited(&headers).map(|waited| waited.map(|it| it.as_secs())).map_err(|it| it.status)
        };
        assert_eq!(waited(&HeaderMap::new()).unwrap(), None);
        assert_eq!((read("0"), read("86400")), (Ok(Some(0)), Ok(Some(86_400))));
        for wrong in ["", "-1", "1.5", "4294967296", "soon"] {
            assert_eq!(read(wrong).unwrap_err(), 400, "{wrong}");
        }
    }
}
