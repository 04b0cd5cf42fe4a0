//! Paths of tiles and entry bundles, in their one spelling (c2sp.org/tlog-tiles).

use schemas::id::TreeSize;

use super::tile::TILE_WIDTH;

/// Tile levels of the largest tree: 8 levels of 8 bits.
const LEVEL_MAX: u8 = 7;

/// All levels, and the bundles of entries.
const LEVELS: [Option<u8>; 9] =
    [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), Some(6), Some(7)];

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

    /// What a tree of one size needs that is not among what a smaller tree of the same log needed,
    /// full tiles before partial ones.
    pub fn between(from: TreeSize, to: TreeSize) -> impl Iterator<Item = TilePath> {
        let full = LEVELS.into_iter().flat_map(move |level| {
            let numbers = nodes(from, level) / TILE_WIDTH..nodes(to, level) / TILE_WIDTH;
            numbers.map(move |number| TilePath { level, number, width: TILE_WIDTH as u16 })
        });
        full.chain(TilePath::edge(to).into_iter().filter(move |it| !it.is_within(from)))
    }

    /// The partial tiles of a tree of this size.
    pub fn edge(size: TreeSize) -> Vec<TilePath> {
        let partial = |level| {
            let nodes = nodes(size, level);
            let (number, width) = (nodes / TILE_WIDTH, (nodes % TILE_WIDTH) as u16);
            (width > 0).then_some(TilePath { level, number, width })
        };
        LEVELS.into_iter().filter_map(partial).collect()
    }

    /// The same tile when it is full.
    pub fn full(self) -> TilePath {
        TilePath { width: TILE_WIDTH as u16, ..self }
    }

    /// Whether a tree of this size has all that the path names.
    pub fn is_within(&self, size: TreeSize) -> bool {
        let nodes = nodes(size, self.level);
        let end =
            self.number.checked_mul(TILE_WIDTH).and_then(|it| it.checked_add(self.width.into()));
        end.is_some_and(|end| end <= nodes)
    }
}

/// How many hashes a tree has at a level, or entries.
fn nodes(size: TreeSize, level: Option<u8>) -> u64 {
    size >> (8 * u32::from(level.unwrap_or(0)))
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

    /// Whatever the steps are in which a tree grows, all that it needs was named in one of them.
    #[test]
    fn steps_leave_nothing_out_and_name_nothing_twice() {
        for step in [1, 7, 255, 256, 257, 70_000] {
            let (mut size, mut named) = (0_u64, std::collections::HashSet::new());
            while size < 140_000 && named.len() < 20_000 {
                let next = size + step;
                for it in TilePath::between(size, next) {
                    assert!(it.is_within(next) && !it.is_within(size), "{it:?} {size} {next}");
                    assert!(named.insert(it.format()), "{it:?} {size} {next}");
                }
                size = next;
                assert!(TilePath::edge(size).iter().all(|it| named.contains(&it.format())));
            }
            let full = (0..size / TILE_WIDTH).all(|number| {
                [None, Some(0)]
                    .into_iter()
                    .all(|level| named.contains(&TilePath { level, number, width: 256 }.format()))
            });
            assert!(full, "{step}");
        }
        assert_eq!(TilePath::between(5, 5).count(), 0);
        let names: Vec<String> = TilePath::between(0, 257).map(|it| it.format()).collect();
        let expected = ["entries/000", "0/000", "entries/001.p/1", "0/001.p/1", "1/000.p/1"];
        assert_eq!(names, expected);
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
