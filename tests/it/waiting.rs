//! What a run waits for the next poll, calls and costs, in virtual time: no timing of this machine.

use sandbox::bench::{LENGTHS, Times, sync_waits, upgrade_waits};

fn late(times: Times) -> f64 {
    times.ours + times.waiting
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_not_late_and_its_calls_are_bounded() {
    let mut lateness = Vec::new();
    for length in LENGTHS {
        let waited = upgrade_waits(length).await.expect("both runs succeed");
        let downtime = waited.downtime.expect("RDS says when the writer goes");
        assert!(downtime.aws > 300.0, "{downtime:?}");
        lateness.push(late(downtime));
        assert!(waited.cost <= 0.02, "{} USD", waited.cost);
        let groups = waited.calls["prepare-parameter-groups"];
        let all: usize = waited.calls.values().sum();
        // 219 of 475 when every look while waiting read every parameter of both families.
        assert!(groups <= 105, "{groups} calls of PrepareParameterGroups");
        // 561 in the middle, and 475 when a function asked after up to a minute: this is what the
        // shorter waiting costs in calls, not a saving.
        assert!(all <= 610, "{all} calls: {:?}", waited.calls);
    }
    lateness.sort_by(f64::total_cmp);
    assert!(lateness[LENGTHS.len() / 2] <= 30.0, "{lateness:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sync_is_not_late_after_aws_is_done_and_its_calls_are_bounded() {
    let mut lateness = Vec::new();
    for length in LENGTHS {
        let waited = sync_waits(length).await.expect("both runs succeed");
        lateness.push(late(waited.whole));
        assert!(waited.cost <= 0.02, "{} USD", waited.cost);
        // 1,045 in the middle when every look at a restore read the policy and the attestation.
        let all: usize = waited.calls.values().sum();
        assert!(all <= 830, "{all} calls: {:?}", waited.calls);
    }
    lateness.sort_by(f64::total_cmp);
    assert!(lateness[LENGTHS.len() / 2] <= 60.0, "{lateness:?}");
}
