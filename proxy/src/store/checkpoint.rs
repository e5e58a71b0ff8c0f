//! Checkpoints: counters at one instant, kept in one transaction of a `redb` database. It owns the database;
//! it refuses to know when a checkpoint is due.

use std::path::Path;

use ledger::Standing;
use ledger::journal::{Reader, Record};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use vocabulary::Moment;

/// Counter by key, as the shortest journal that adds up to it.
const COUNTERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("counters");
/// What else a checkpoint says.
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
const JOURNAL: &str = "journal";
const TIME: &str = "time";

/// What a checkpoint holds.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Adds up to the counters.
    pub(super) records: Vec<Record>,
    /// The first file of the journal that it does not hold.
    pub(super) journal: u64,
    /// Ledger time.
    pub(super) time: Moment,
}

#[derive(Debug)]
pub(super) struct Checkpoints(Database);

impl Checkpoints {
    pub(super) fn open(file: &Path) -> Result<Self, redb::Error> {
        Ok(Self(Database::create(file)?))
    }

    pub(super) fn read(&self) -> Result<Kept, redb::Error> {
        let transaction = self.0.begin_read()?;
        let facts = match transaction.open_table(FACTS) {
            Ok(facts) => facts,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Kept::default()),
            Err(error) => return Err(error.into()),
        };
        let fact = |name| facts.get(name).map(|value| value.map_or(0, |value| value.value()));
        let mut kept = Kept { records: Vec::new(), journal: fact(JOURNAL)?, time: Moment(fact(TIME)?) };
        for counter in transaction.open_table(COUNTERS)?.iter()? {
            let (_, bytes) = counter?;
            for record in Reader::of_records(bytes.value()) {
                kept.records.push(record.map_err(|damage| redb::Error::Corrupted(damage.to_string()))?);
            }
        }
        Ok(kept)
    }

    /// Replaces the checkpoint by these counters, whole or not at all.
    pub(super) fn write(
        &self,
        standings: &[Standing],
        journal: u64,
        time: Moment,
    ) -> Result<(), redb::Error> {
        let transaction = self.0.begin_write()?;
        transaction.delete_table(COUNTERS)?;
        {
            let mut counters = transaction.open_table(COUNTERS)?;
            for standing in standings {
                let records = Record::of_standing(standing, time);
                let bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
                counters.insert(standing.key, bytes.as_slice())?;
            }
            let mut facts = transaction.open_table(FACTS)?;
            facts.insert(JOURNAL, journal)?;
            facts.insert(TIME, time.0)?;
        }
        Ok(transaction.commit()?)
    }
}
