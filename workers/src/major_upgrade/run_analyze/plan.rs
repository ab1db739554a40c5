//! Which ANALYZE statements to run, and in which order: what queries need first comes first, and no
//! connection is left with a giant at the end.
//!
//! Measured against vacuumdb on the same servers: a statement a table, spread over all databases,
//! gains little by itself; small tables in one statement and `synchronous_commit = off` halve the
//! time; the hot set first brings statistics to where the load is many times sooner.
//!
//! Where the order alone is not enough, the hot set is gone over three times, as
//! `vacuumdb --analyze-in-stages` does with everything
//! (https://www.postgresql.org/docs/current/app-vacuumdb.html): with a target of 1, of 10, and its
//! own. A target of 1 reads 300 pages of a table and not 30,000. The two stages cost about a ninth
//! of the hot set's time, so they are for hot sets that take long, and of those for tables with
//! more than they would read.

use std::collections::{BTreeMap, BTreeSet};

/// Below this a table is worth no round trip of its own.
const SMALL_US: f64 = 50_000.0;
/// A statement of small tables: short enough that losing it costs little.
const GROUP_US: f64 = 500_000.0;
const GROUP_TABLES: usize = 100;
/// The hot set is what gets this share of the load.
const HOT_SHARE: f64 = 0.9;
/// A hot set that takes longer than this is staged: half a minute of bad plans is less than an
/// application's connections take to come back after the downtime.
const STAGED_US: f64 = 30_000_000.0;
/// The targets of the stages, as vacuumdb's.
pub const STAGES: [u32; 2] = [1, 10];
/// A table is worth a stage when the first takes less than this part of its ANALYZE.
const STAGE_SHARE: f64 = 0.2;

#[derive(Debug, Clone, Default)]
pub struct Table {
    pub database: String,
    pub oid: u32,
    /// `schema.table`, each quoted where PostgreSQL wants it.
    pub name: String,
    /// Partitioned: holds no rows itself.
    pub parent: bool,
    /// Of pg_catalog: good to have, nobody's data.
    pub catalog: bool,
    pub ancestors: Vec<u32>,
    pub pages: f64,
    pub rows: f64,
    /// Microseconds a sampled row.
    pub row_cost: f64,
    /// The statistics target: of its columns, or the server's.
    pub target: f64,
    /// Of its columns alone, which no session can lower; -1 where none has one.
    pub own_target: f64,
    /// How often it was read before the upgrade.
    pub scans: f64,
    /// Analysed since the upgrade.
    pub done: bool,
    /// Without statistics to plan by.
    pub bare: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Read, and without statistics while other tables have theirs from before the upgrade.
    Bare,
    /// The hot set with a low statistics target.
    Rough(u32),
    /// What gets nine tenths of the reads.
    Hot,
    /// Of partitioned tables with a hot partition: joins are planned by them, scans by the
    /// partitions' own.
    Parents,
    Rest,
    Catalog,
}

impl Phase {
    /// Whether what it does is done for good, and is to be reported.
    pub fn counts(self) -> bool {
        !matches!(self, Self::Catalog | Self::Rough(_))
    }

    /// The statistics target that a session must be told for it.
    pub fn target(self) -> Option<u32> {
        match self {
            Self::Rough(target) => Some(target),
            _ => None,
        }
    }
}

/// One ANALYZE statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    pub database: String,
    pub phase: Phase,
    pub tables: Vec<Target>,
    pub cost_us: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// As it stands in the statement.
    pub sql: String,
    /// How many tables it covers: before 18 a partitioned table does its partitions.
    pub covers: usize,
}

impl Unit {
    pub fn statement(&self) -> String {
        let names: Vec<&str> = self.tables.iter().map(|target| target.sql.as_str()).collect();
        format!("ANALYZE {}", names.join(", "))
    }

    pub fn covers(&self) -> usize {
        self.tables.iter().map(|target| target.covers).sum()
    }

    /// The same work, a statement a table.
    pub fn singly(&self) -> Vec<Unit> {
        let cost_us = self.cost_us / self.tables.len().max(1) as f64;
        self.tables
            .iter()
            .map(|target| Unit { tables: vec![target.clone()], cost_us, ..self.clone() })
            .collect()
    }
}

/// The statements for every table that is not done, hot ones first, in each phase the longest
/// first. `connections` work at the same time.
pub fn plan(tables: &[Table], server: u32, connections: usize) -> Vec<Unit> {
    let tables = sum_up_parents(tables);
    let hot = hot_set(&tables);
    let is_hot = |table: &Table| hot.contains(&(table.database.as_str(), table.oid));
    let running: BTreeSet<(&str, u32)> = tables
        .iter()
        .filter(|table| table.parent && !table.done)
        .map(|table| (table.database.as_str(), table.oid))
        .collect();
    let covered = |table: &Table| {
        server < 18
            && table.ancestors.iter().any(|ancestor| running.contains(&(table.database.as_str(), *ancestor)))
    };
    let others_have = tables.iter().any(|table| !table.bare && !table.catalog && !table.parent);

    let mut within: BTreeMap<(&str, u32), Vec<&Table>> = BTreeMap::new();
    for table in tables.iter().filter(|_| server < 18) {
        for ancestor in &table.ancestors {
            within.entry((table.database.as_str(), *ancestor)).or_default().push(table);
        }
    }

    let mut by_place: BTreeMap<(Phase, &str), Vec<(Target, f64)>> = BTreeMap::new();
    let mut rough: Vec<(u32, &str, Target, f64)> = Vec::new();
    let mut hot_us = 0.0;
    for table in tables.iter().filter(|table| !table.done && !covered(table)) {
        let recursive = table.parent && server < 18;
        let phase = match table.catalog {
            true => Phase::Catalog,
            false if others_have && table.bare && table.scans > 0.0 && !table.parent => Phase::Bare,
            false if is_hot(table) && table.parent && !recursive => Phase::Parents,
            false if is_hot(table) => Phase::Hot,
            false => Phase::Rest,
        };
        let children = within.get(&(table.database.as_str(), table.oid)).map_or(&[][..], Vec::as_slice);
        let covers = 1 + children.len();
        let cost_at = |target: Option<u32>| {
            table.cost_at(target) + children.iter().map(|child| child.cost_at(target)).sum::<f64>()
        };
        let only = if server < 18 { "" } else { "ONLY " };
        let target = Target { sql: format!("{only}{}", table.name), covers };
        if phase == Phase::Hot {
            hot_us += cost_at(None);
            if table.bare && cost_at(Some(STAGES[0])) < cost_at(None) * STAGE_SHARE {
                let stage = |stage| (stage, table.database.as_str(), target.clone(), cost_at(Some(stage)));
                rough.extend(STAGES.map(stage));
            }
        }
        by_place.entry((phase, table.database.as_str())).or_default().push((target, cost_at(None)));
    }
    if hot_us / connections.max(1) as f64 > STAGED_US {
        for (stage, database, target, cost) in rough {
            by_place.entry((Phase::Rough(stage), database)).or_default().push((target, cost));
        }
    }

    let mut units: Vec<Unit> = by_place
        .into_iter()
        .flat_map(|((phase, database), targets)| group(phase, database, targets))
        .collect();
    units.sort_by(|a, b| a.phase.cmp(&b.phase).then(b.cost_us.total_cmp(&a.cost_us)));
    units
}

fn group(phase: Phase, database: &str, targets: Vec<(Target, f64)>) -> Vec<Unit> {
    let unit = |tables, cost_us| Unit { database: database.to_owned(), phase, tables, cost_us };
    let (mut units, mut open) = (Vec::new(), unit(Vec::new(), 0.0));
    for (target, cost) in targets {
        if cost >= SMALL_US && phase != Phase::Catalog {
            units.push(unit(vec![target], cost));
            continue;
        }
        open.tables.push(target);
        open.cost_us += cost;
        if open.cost_us >= GROUP_US || open.tables.len() >= GROUP_TABLES {
            units.push(std::mem::replace(&mut open, unit(Vec::new(), 0.0)));
        }
    }
    if !open.tables.is_empty() {
        units.push(open);
    }
    units
}

impl Table {
    fn cost_us(&self) -> f64 {
        self.cost_at(None)
    }

    /// Whether a first stage of it is worth its time.
    pub fn is_staged(&self) -> bool {
        self.cost_at(Some(STAGES[0])) < self.cost_us() * STAGE_SHARE
    }

    /// What it takes with its own target, or with one that its session is told. ANALYZE reads at
    /// most 300 × target pages and keeps as many rows (src/backend/commands/analyze.c).
    fn cost_at(&self, target: Option<u32>) -> f64 {
        let target = target.map_or(self.target, |target| f64::from(target).max(self.own_target));
        let sample = 300.0 * target.min(self.target);
        500.0 + 40.0 * self.pages.min(sample) + self.rows.min(sample) * self.row_cost
    }

    /// What bad plans on it would cost: how often it is read, and a little how large it is.
    fn load(&self) -> f64 {
        self.scans * (2.0 + self.rows.max(0.0)).log2()
    }
}

/// A partitioned table is as large and as hot as its partitions together.
fn sum_up_parents(tables: &[Table]) -> Vec<Table> {
    let mut sums: BTreeMap<(&str, u32), (f64, f64, f64)> = BTreeMap::new();
    for table in tables.iter().filter(|table| !table.parent) {
        for ancestor in &table.ancestors {
            let sum = sums.entry((table.database.as_str(), *ancestor)).or_default();
            *sum = (sum.0 + table.pages, sum.1 + table.rows.max(0.0), sum.2 + table.scans);
        }
    }
    let summed = |table: &Table| match sums.get(&(table.database.as_str(), table.oid)) {
        Some((pages, rows, scans)) if table.parent => {
            Table { pages: *pages, rows: *rows, scans: *scans, ..table.clone() }
        }
        _ => table.clone(),
    };
    tables.iter().map(summed).collect()
}

/// The tables that get nine tenths of the load, those with the most load for their cost first; and
/// the parents of the partitions among them. Reads are counted at the partitions: a parent has none
/// of its own, and with theirs it would be counted twice.
fn hot_set(tables: &[Table]) -> BTreeSet<(&str, u32)> {
    let counts = |table: &&Table| !table.catalog && !table.parent && table.scans > 0.0;
    let mut read: Vec<&Table> = tables.iter().filter(counts).collect();
    read.sort_by(|a, b| (b.load() / b.cost_us()).total_cmp(&(a.load() / a.cost_us())));
    let enough = read.iter().map(|table| table.load()).sum::<f64>() * HOT_SHARE;
    let mut reached = 0.0;
    read.into_iter()
        .take_while(|table| {
            let wanted = reached < enough;
            reached += table.load();
            wanted
        })
        .flat_map(|table| {
            let with_ancestors = table.ancestors.iter().copied().chain([table.oid]);
            with_ancestors.map(|oid| (table.database.as_str(), oid))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(database: &str, oid: u32, pages: f64, scans: f64) -> Table {
        Table {
            database: database.into(),
            oid,
            name: format!("public.t{oid}"),
            pages,
            rows: pages * 100.0,
            row_cost: 2.0,
            target: 100.0,
            own_target: -1.0,
            scans,
            bare: true,
            ..Table::default()
        }
    }

    fn partitioned() -> Vec<Table> {
        let leaf = |oid| Table { ancestors: vec![1], ..table("shop", oid, 5000.0, 3.0) };
        vec![Table { parent: true, ..table("shop", 1, 0.0, 0.0) }, leaf(2), leaf(3)]
    }

    fn statements(units: &[Unit]) -> Vec<String> {
        units.iter().map(Unit::statement).collect()
    }

    #[test]
    fn what_is_read_most_comes_first_and_then_the_longest() {
        let tables = [table("a", 1, 9000.0, 0.0), table("a", 2, 20000.0, 0.0), table("b", 3, 5000.0, 5000.0)];
        let units = plan(&tables, 18, 2);
        assert_eq!(
            statements(&units),
            ["ANALYZE ONLY public.t3", "ANALYZE ONLY public.t2", "ANALYZE ONLY public.t1"]
        );
        assert_eq!((units[0].phase, units[1].phase), (Phase::Hot, Phase::Rest));
    }

    #[test]
    fn small_tables_of_a_database_share_a_statement() {
        let tables: Vec<Table> =
            (1..=5).map(|oid| table(if oid < 4 { "a" } else { "b" }, oid, 1.0, 0.0)).collect();
        let units = plan(&tables, 18, 2);
        assert_eq!(units.len(), 2);
        assert_eq!(units.iter().map(Unit::covers).sum::<usize>(), 5);
        assert_eq!(units[0].singly().len(), units[0].tables.len());
    }

    #[test]
    fn a_group_does_not_grow_without_end() {
        let tables: Vec<Table> = (1..=250).map(|oid| table("a", oid, 1.0, 0.0)).collect();
        assert!(plan(&tables, 18, 2).iter().all(|unit| unit.tables.len() <= GROUP_TABLES));
    }

    #[test]
    fn from_18_on_every_partition_and_the_parent_are_done_once_each() {
        let units = plan(&partitioned(), 18, 2);
        assert_eq!(units.iter().map(Unit::covers).sum::<usize>(), 3);
        assert!(units.iter().all(|unit| unit.statement().starts_with("ANALYZE ONLY")));
    }

    #[test]
    fn before_18_the_parent_does_its_partitions() {
        let units = plan(&partitioned(), 17, 2);
        assert_eq!(statements(&units), ["ANALYZE public.t1"]);
        assert_eq!(units[0].covers(), 3);
    }

    #[test]
    fn a_killed_run_goes_on_where_it_was() {
        let mut tables = partitioned();
        tables[0].done = true;
        tables[1].done = true;
        for server in [17, 18] {
            assert_eq!(plan(&tables, server, 2).iter().map(Unit::covers).sum::<usize>(), 1);
        }
        tables[2].done = true;
        assert!(plan(&tables, 18, 2).is_empty());
    }

    #[test]
    fn a_parent_is_as_hot_as_its_partitions() {
        assert_eq!(plan(&partitioned(), 17, 2)[0].phase, Phase::Hot);
        let phases: Vec<Phase> = plan(&partitioned(), 18, 2).iter().map(|unit| unit.phase).collect();
        assert_eq!(phases, [Phase::Hot, Phase::Hot, Phase::Parents], "the reads come first");
    }

    #[test]
    fn the_hot_set_gets_nine_tenths_of_the_reads_though_tables_are_partitioned() {
        // A hundred partitions under twenty parents, read as unequally as tables are.
        let tables: Vec<Table> = (0..20)
            .flat_map(|parent| {
                let leaf = move |leaf: u32| Table {
                    ancestors: vec![1000 + parent],
                    ..table("shop", parent * 5 + leaf, 3000.0, f64::from(6000 / (1 + parent * 5 + leaf)))
                };
                let parent = Table { parent: true, ..table("shop", 1000 + parent, 0.0, 0.0) };
                (0..5).map(leaf).chain([parent])
            })
            .collect();
        let tables = sum_up_parents(&tables);
        let hot = hot_set(&tables);
        let leaves = || tables.iter().filter(|table| !table.parent);
        let share = leaves().filter(|leaf| hot.contains(&("shop", leaf.oid))).map(Table::load).sum::<f64>()
            / leaves().map(Table::load).sum::<f64>();
        assert!((0.9..0.95).contains(&share), "{share}");
    }

    #[test]
    fn a_hot_set_that_takes_long_gets_rough_statistics_first() {
        let long: Vec<Table> = (1..=100).map(|oid| table("shop", oid, 1.0e6, 9.0)).collect();
        let phases = |tables: &[Table], connections| {
            let units = plan(tables, 16, connections);
            units.iter().map(|unit| unit.phase).collect::<BTreeSet<Phase>>()
        };
        let staged = [Phase::Rough(1), Phase::Rough(10), Phase::Hot, Phase::Rest];
        assert_eq!(phases(&long, 2), staged.into());
        assert_eq!(phases(&long, 64), [Phase::Hot, Phase::Rest].into(), "the order is enough");
        let units = plan(&long, 16, 2);
        let cost =
            |phase| -> f64 { units.iter().filter(|unit| unit.phase == phase).map(|unit| unit.cost_us).sum() };
        assert!(cost(Phase::Rough(1)) + cost(Phase::Rough(10)) < cost(Phase::Hot) * 0.15);
        let done: Vec<Table> = long.iter().map(|table| Table { bare: false, ..table.clone() }).collect();
        assert_eq!(phases(&done, 2), [Phase::Hot, Phase::Rest].into(), "they have statistics already");
    }

    #[test]
    fn columns_with_a_target_of_their_own_are_not_staged() {
        let own = Table { own_target: 100.0, ..table("shop", 1, 1.0e6, 9.0) };
        assert!(!own.is_staged() && table("shop", 1, 1.0e6, 9.0).is_staged());
    }

    #[test]
    fn what_lost_its_statistics_alone_comes_before_what_has_them() {
        let mut tables: Vec<Table> = (1..=4).map(|oid| table("shop", oid, 9000.0, 100.0)).collect();
        for table in &mut tables[..3] {
            table.bare = false;
        }
        tables[3].scans = 1.0;
        let units = plan(&tables, 18, 2);
        assert_eq!((units[0].phase, units[0].statement().as_str()), (Phase::Bare, "ANALYZE ONLY public.t4"));
    }
}
