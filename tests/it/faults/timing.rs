use super::{calls::*, plan::*, runbooks::*};
#[tokio::test(start_paused = true)]
async fn zz_timing() {
    for runbook in Runbook::ALL {
        let t = std::time::Instant::now();
        let w = runbook.world().await;
        let t1 = t.elapsed();
        drop(w);
        let t = std::time::Instant::now();
        let calls = Calls::of(runbook).await;
        eprintln!(
            "{}: world {:?} whole {:?}; {} sites {} looks, {} calls",
            runbook.name(),
            t1,
            t.elapsed(),
            calls.sites.len(),
            calls.looks.len(),
            calls.sites.values().sum::<u32>()
        );
    }
    let _ = KINDS;
}
