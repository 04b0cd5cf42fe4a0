//! Statements and rows: bound, run, and read column by column.

use rusqlite::types::FromSql;
use rusqlite::{CachedStatement, Connection, Params, Row};
use schemas::id::Hash;

use super::failed;
use crate::store::StoreError;
use crate::store::forms::parse_hashes;

/// Reads one row.
pub type ReadRow<T> = fn(&Columns<'_>) -> Result<T, StoreError>;

/// A statement about one table, prepared once for a connection and kept.
pub struct Sql<'c> {
    table: &'static str,
    statement: CachedStatement<'c>,
}

impl<'c> Sql<'c> {
    pub fn new(
        connection: &'c Connection,
        table: &'static str,
        text: &str,
    ) -> Result<Sql<'c>, StoreError> {
        Ok(Sql { table, statement: connection.prepare_cached(text).map_err(failed)? })
    }

    /// Runs it, and says how many rows it changed.
    pub fn run(&mut self, values: impl Params) -> Result<usize, StoreError> {
        self.statement.execute(values).map_err(failed)
    }

    /// Inserts a row that is not there yet, by a statement that leaves alone what is.
    pub fn insert(&mut self, values: impl Params) -> Result<(), StoreError> {
        match self.run(values)? {
            1 => Ok(()),
            _ => Err(StoreError::Corrupt { table: self.table, what: "a row was there before" }),
        }
    }

    pub fn first<T>(
        &mut self,
        values: impl Params,
        read: ReadRow<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut rows = self.statement.query(values).map_err(failed)?;
        let row = rows.next().map_err(failed)?;
        row.map(|row| read(&Columns { table: self.table, row })).transpose()
    }

    pub fn all<T>(&mut self, values: impl Params, read: ReadRow<T>) -> Result<Vec<T>, StoreError> {
        let mut rows = self.statement.query(values).map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            found.push(read(&Columns { table: self.table, row })?);
        }
        Ok(found)
    }
}

/// Reads columns of one row, and names the table where one is not what we write.
pub struct Columns<'r> {
    pub table: &'static str,
    pub row: &'r Row<'r>,
}

impl<'r> Columns<'r> {
    pub fn get<T: FromSql>(&self, column: &'static str) -> Result<T, StoreError> {
        self.row.get(column).map_err(|_| self.corrupt(column))
    }

    /// Reads text where it lies.
    pub fn text(&self, column: &'static str) -> Result<&'r str, StoreError> {
        let value = self.row.get_ref(column).map_err(|_| self.corrupt(column))?;
        value.as_str().map_err(|_| self.corrupt(column))
    }

    pub fn text_if_any(&self, column: &'static str) -> Result<Option<&'r str>, StoreError> {
        let value = self.row.get_ref(column).map_err(|_| self.corrupt(column))?;
        value.as_str_or_null().map_err(|_| self.corrupt(column))
    }

    /// Reads bytes where they lie.
    pub fn bytes(&self, column: &'static str) -> Result<&'r [u8], StoreError> {
        let value = self.row.get_ref(column).map_err(|_| self.corrupt(column))?;
        value.as_blob().map_err(|_| self.corrupt(column))
    }

    /// Reads a number in the range of its type.
    pub fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.get(column)?).map_err(|_| self.corrupt(column))
    }

    pub fn hash(&self, column: &'static str) -> Result<Hash, StoreError> {
        let bytes = self.bytes(column)?.try_into();
        bytes.map(Hash).map_err(|_| self.corrupt(column))
    }

    pub fn hashes(&self, column: &'static str) -> Result<Vec<Hash>, StoreError> {
        parse_hashes(self.bytes(column)?).ok_or_else(|| self.corrupt(column))
    }

    pub fn corrupt(&self, what: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, what }
    }
}
