//! Many rows in one statement, and reading their answers.
//!
//! Each statement is a message there and one back; rows go as one array for each column, so that the
//! text is always the same and is prepared once.

use schemas::id::Hash;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Decode, Row, Type};

use crate::store::StoreError;
use crate::store::forms::parse_hashes;

/// Most rows in one statement.
const ROWS_MAX: usize = 1024;

/// Most bytes in one statement; the server takes no message over 1 GiB.
const BYTES_MAX: usize = 16 << 20;

/// Most keys in one look-up.
pub const KEYS_MAX: usize = 4096;

/// Splits rows into statements of bounded size, of one row at least.
pub fn statements_of<T>(rows: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = |row: &&T| {
            sum += bytes(row);
            sum <= BYTES_MAX
        };
        let count = rest.iter().take(ROWS_MAX).take_while(fits).count();
        let (first, later) = rest.split_at(count.max(1).min(rest.len()));
        rest = later;
        (!first.is_empty()).then_some(first)
    })
}

/// Reads columns of one row, and names the table where one is not what we write.
pub struct Columns<'r> {
    pub table: &'static str,
    pub row: &'r PgRow,
}

impl<'r> Columns<'r> {
    pub fn get<T: Decode<'r, Postgres> + Type<Postgres>>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    /// Reads a number in the range of its type.
    pub fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.get::<i64>(column)?).map_err(|_| self.corrupt(column))
    }

    pub fn small_number<T: TryFrom<i32>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.get::<i32>(column)?).map_err(|_| self.corrupt(column))
    }

    pub fn hash(&self, column: &'static str) -> Result<Hash, StoreError> {
        let bytes = self.get::<&[u8]>(column)?.try_into();
        bytes.map(Hash).map_err(|_| self.corrupt(column))
    }

    pub fn hashes(&self, column: &'static str) -> Result<Vec<Hash>, StoreError> {
        parse_hashes(self.get(column)?).ok_or_else(|| self.corrupt(column))
    }

    pub fn corrupt(&self, what: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_bounded_and_hold_one_row_at_least() {
        let split = |rows: &[usize]| -> Vec<usize> {
            statements_of(rows, |bytes| *bytes).map(<[usize]>::len).collect()
        };
        assert_eq!(split(&[]), [0; 0]);
        assert_eq!(split(&[1; 1024]), [1024]);
        assert_eq!(split(&[1; 2050]), [1024, 1024, 2]);
        assert_eq!(split(&[BYTES_MAX + 1, 1, 1]), [1, 2]);
        assert_eq!(split(&[1, BYTES_MAX, 1]), [1, 1, 1]);
        assert_eq!(split(&[BYTES_MAX; 3]), [1, 1, 1]);
    }
}
