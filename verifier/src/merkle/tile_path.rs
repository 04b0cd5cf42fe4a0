//! Paths of tiles and entry bundles, in their one spelling (c2sp.org/tlog-tiles).

use schemas::id::TreeSize;

use super::tile::TILE_WIDTH;

/// Tile levels of the largest tree: 8 levels of 8 bits.
const LEVEL_MAX: u8 = 7;

/// What a path behind `tile/` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// None for a bundle of entries.
    pub level: Option<u8>,
    pub number: u64,
    /// 1 to 256; fewer than 256 only where the path says so.
    pub width: u16,
}

impl TilePath {
    /// Reads `0/x001/234/067`, `0/x001/234/067.p/8` or `entries/003`; nothing else spells them.
    pub fn parse(path: &str) -> Option<TilePath> {
        let (level, rest) = path.split_once('/')?;
        let level = match level {
            "entries" => None,
            digits => Some(number(digits).filter(|level| *level <= u64::from(LEVEL_MAX))? as u8),
        };
        let (rest, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH),
            Some((rest, width)) => {
                (rest, number(width).filter(|width| (1..TILE_WIDTH).contains(width))?)
            }
        };
        let (groups, last) =
            rest.rsplit_once('/').map_or(("", rest), |(groups, last)| (groups, last));
        let mut tile: u64 = 0;
        for (nth, group) in groups.split('/').filter(|group| !group.is_empty()).enumerate() {
            let digits = three(group.strip_prefix('x')?)?;
            if nth == 0 && digits == 0 {
                return None;
            }
            tile = tile.checked_mul(1000)?.checked_add(digits)?;
        }
        let number = tile.checked_mul(1000)?.checked_add(three(last)?)?;
        let it = TilePath { level, number, width: width as u16 };
        (it.format() == path).then_some(it)
    }

    pub fn format(&self) -> String {
        let mut number = format!("{:03}", self.number % 1000);
        let mut rest = self.number / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let level = self.level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
        match u64::from(self.width) {
            TILE_WIDTH => format!("{level}/{number}"),
            width => format!("{level}/{number}.p/{width}"),
        }
    }

    /// Whether a tree of this size has all that the path names.
    pub fn is_within(&self, size: TreeSize) -> bool {
        let nodes = size >> (8 * u32::from(self.level.unwrap_or(0)));
        let end =
            self.number.checked_mul(TILE_WIDTH).and_then(|it| it.checked_add(self.width.into()));
        end.is_some_and(|end| end <= nodes)
    }
}

/// A decimal number without leading zeros.
fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let short = (1..=3).contains(&digits.len()) && (digits == "0" || !digits.starts_with('0'));
    (plain && short).then(|| digits.parse().ok())?
}

/// Exactly three digits.
fn three(digits: &str) -> Option<u64> {
    let plain = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<(Option<u8>, u64, u16)>) {
        let found = TilePath::parse(path).map(|it| (it.level, it.number, it.width));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_have_one_spelling() {
        check("0/000", Some((Some(0), 0, 256)));
        check("0/x001/x234/067", Some((Some(0), 1_234_067, 256)));
        check("7/005.p/8", Some((Some(7), 5, 8)));
        check("entries/x123/456.p/255", Some((None, 123_456, 255)));
        for bad in [
            "",
            "0",
            "0/",
            "0/0",
            "0/00",
            "0/0000",
            "8/000",
            "00/000",
            "-1/000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/",
            "0/x000/000",
            "0/001/234",
            "0/x001/x234",
            "entries",
            "entries/",
            "data/000",
            "0/000/",
            "/0/000",
            "0//000",
            "0/../000",
            "0/x1/234",
            "0/x001//234",
            "0/x001/23a",
            "0/000.p/8.p/8",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn what_is_formatted_is_read() {
        for number in [0, 1, 999, 1000, 1_234_067, 1_000_000, u64::from(u32::MAX)] {
            for (level, width) in [(None, 256), (Some(0), 1), (Some(3), 255)] {
                let it = TilePath { level, number, width };
                assert_eq!(TilePath::parse(&it.format()), Some(it));
            }
        }
    }

    #[test]
    fn a_tree_has_what_its_size_covers() {
        let tile = |path: &str, size| TilePath::parse(path).unwrap().is_within(size);
        assert!(tile("0/000.p/5", 5) && !tile("0/000.p/6", 5));
        assert!(tile("0/000", 256) && !tile("0/000", 255));
        assert!(tile("1/000.p/1", 256) && !tile("1/000.p/1", 255));
        assert!(tile("entries/001.p/1", 257) && !tile("entries/001.p/2", 257));
    }
}
