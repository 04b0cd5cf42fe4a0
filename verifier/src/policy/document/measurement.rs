//! The parameters of the measurement gate: at least one limit, and none that fits no number.

use schemas::policy::Measurement;

use super::words::name_trouble;
use super::{Complaints, Site};
use crate::decimal::Decimal;

pub(super) fn check(gate: &Measurement, site: &Site, complaints: &mut Complaints) {
    if let Some(message) = name_trouble(&gate.metric) {
        complaints.add(site.at("metric"), message);
    }
    if let Some(message) = gate.unit.as_deref().and_then(name_trouble) {
        complaints.add(site.at("unit"), message);
    }
    let percents = [
        ("max_increase_percent", &gate.max_increase_percent),
        ("max_decrease_percent", &gate.max_decrease_percent),
    ];
    let compared = percents.iter().any(|(_, it)| it.is_some());
    if gate.min.is_none() && gate.max.is_none() && !compared {
        let message = "limits nothing, so everything would pass; write `min`, `max` or \
                       `max_increase_percent`";
        complaints.add(&site.path, message);
    }
    if let (Some(min), Some(max)) = (&gate.min, &gate.max)
        && let (Ok(low), Ok(high)) = (min.as_str().parse::<Decimal>(), max.as_str().parse())
        && low > high
    {
        let message = format!("at least {min} and at most {max} fits no value; swap them");
        complaints.add(site.at("min"), message);
    }
    for (field, percent) in percents {
        if percent.as_ref().is_some_and(|it| it.as_str().starts_with('-')) {
            complaints.add(site.at(field), "below zero; write how far it may go, such as `5`");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::document::tests::check_one;

    #[test]
    fn a_measurement_has_a_metric_and_a_limit() {
        let check = |fields: &str, expected: &[(&str, &str)]| {
            check_one(&format!(r#"{{"measurement":{{{fields}}}}}"#), expected);
        };
        check(r#""metric":"m","max":"1""#, &[]);
        check(r#""metric":"m","max_increase_percent":"0""#, &[]);
        check(r#""metric":"m""#, &[("", "limits nothing")]);
        check(r#""metric":"","max":"1","unit":"""#, &[(".metric", "empty"), (".unit", "empty")]);
        check(r#""metric":"m","min":"2","max":"1.9""#, &[(".min", "swap")]);
        let negative = r#""metric":"m","max_decrease_percent":"-5""#;
        check(negative, &[(".max_decrease_percent", "below zero")]);
    }
}
