//! Statements over many rows at once, and reading their answers.
//!
//! Each statement is one hop to the connection's thread and back, some 20 to 80 microseconds
//! whatever it does; so rows go by the hundred. Their number is always a power of two, or that and
//! a half, so that a few texts per table are prepared once and stay in the statement cache. Where
//! there are fewer, the last one is repeated: that costs less than another statement.

use schemas::id::Hash;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Decode, Row, Sqlite, Type};

use super::failed;
use crate::store::StoreError;
use crate::store::forms::parse_hashes;

/// Most rows in one statement; with 6 columns far below SQLite's 32,766 variables.
const ROWS_MAX: usize = 512;

/// Most keys in one look-up.
const KEYS_MAX: usize = 4096;

/// Binds the values of one row, in the order of its columns.
pub type Bind<T> = fn(&mut SqliteArguments, &T) -> Result<(), BoxDynError>;

/// A statement `{before} tuple, tuple, … {after}`; all of it constant text.
pub struct RowsSql {
    pub before: &'static str,
    pub tuple: &'static str,
    pub after: &'static str,
}

impl RowsSql {
    /// Runs the statement over all rows, in their order, and says how many it affected. It must
    /// not mind a row that comes twice, one directly after the other.
    pub async fn execute<T: Sync>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: Bind<T>,
    ) -> Result<u64, StoreError> {
        let mut affected = 0;
        for chunk in rows.chunks(ROWS_MAX) {
            let count = padded(chunk.len());
            let query = sqlx::query_with(self.text(count), bind_all(chunk, count, bind)?);
            affected += query.execute(&mut *connection).await.map_err(failed)?.rows_affected();
        }
        Ok(affected)
    }

    /// Inserts rows of which none is there yet, by a statement that leaves alone what is.
    pub async fn insert<T: Sync>(
        &self,
        connection: &mut SqliteConnection,
        table: &'static str,
        rows: &[T],
        bind: Bind<T>,
    ) -> Result<(), StoreError> {
        match self.execute(connection, rows, bind).await? == rows.len() as u64 {
            true => Ok(()),
            false => Err(StoreError::Corrupt { table, what: "a row was there before" }),
        }
    }

    /// Looks all keys up. The statement must not mind a key that comes twice.
    pub async fn select<T: Sync>(
        &self,
        connection: &mut SqliteConnection,
        keys: &[T],
        bind: Bind<T>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(KEYS_MAX) {
            let count = padded(chunk.len());
            let query = sqlx::query_with(self.text(count), bind_all(chunk, count, bind)?);
            found.append(&mut query.fetch_all(&mut *connection).await.map_err(failed)?);
        }
        Ok(found)
    }

    pub fn text(&self, rows: usize) -> AssertSqlSafe<String> {
        let size = self.before.len() + self.after.len() + rows * (self.tuple.len() + 1);
        let mut text = String::with_capacity(size);
        text.push_str(self.before);
        for row in 0..rows {
            text.push_str(if row == 0 { "" } else { "," });
            text.push_str(self.tuple);
        }
        text.push_str(self.after);
        AssertSqlSafe(text)
    }
}

/// How many rows a statement over so many has: the next power of two, or that and a half.
fn padded(rows: usize) -> usize {
    let power = rows.next_power_of_two();
    match power / 4 * 3 {
        fewer if fewer >= rows => fewer,
        _ => power,
    }
}

/// Binds `count` rows, repeating the last one where there are fewer.
fn bind_all<T>(rows: &[T], count: usize, bind: Bind<T>) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(count * 6, 0);
    let last = rows.last().into_iter().cycle();
    for row in rows.iter().chain(last).take(count) {
        bind(&mut arguments, row)
            .map_err(|error| StoreError::Database(sqlx::Error::Encode(error)))?;
    }
    Ok(arguments)
}

/// Reads columns of one row, and names the table where one is not what we write.
pub struct Columns<'r> {
    pub table: &'static str,
    pub row: &'r SqliteRow,
}

impl<'r> Columns<'r> {
    pub fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    /// Reads a number in the range of its type.
    pub fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.get(column)?).map_err(|_| self.corrupt(column))
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
    fn few_numbers_of_rows_have_texts_of_their_own() {
        for (rows, count) in [
            (1, 1),
            (2, 2),
            (3, 3),
            (4, 4),
            (5, 6),
            (7, 8),
            (9, 12),
            (13, 16),
            (17, 24),
            (385, 512),
        ] {
            assert_eq!(padded(rows), count);
        }
        assert!((1..=KEYS_MAX).all(|rows| (rows..rows * 3 / 2 + 1).contains(&padded(rows))));
        assert_eq!((padded(ROWS_MAX), padded(KEYS_MAX)), (ROWS_MAX, KEYS_MAX));
    }
}
