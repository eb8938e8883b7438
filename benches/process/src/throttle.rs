//! The share of a processor that an environment of 128 MB has.
//!
//! Lambda gives [one processor at 1,769 MB](https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)
//! and in proportion below, so 128 MB have 1/13.8 of one.

use std::{
    fs,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

/// Of a processor.
pub(crate) const SHARE: f64 = 128.0 / 1_769.0;

/// Microseconds; the shortest that keeps the kernel from rounding the share.
const PERIOD: u32 = 20_000;

/// A control group that holds one process to that share, until this is dropped.
#[derive(Debug)]
pub(crate) struct Throttle {
    group: PathBuf,
    parent: PathBuf,
    process: u32,
}

impl Throttle {
    /// Throttles a process and its threads; `None` where the machine does not let us, as it mostly
    /// lets only its administrator.
    pub(crate) fn to_128_mb(process: u32) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "less than the period"
        )]
        let quota = (f64::from(PERIOD) * SHARE) as u32;
        let second_version = (
            "/sys/fs/cgroup",
            vec![("cpu.max", format!("{quota} {PERIOD}"))],
        );
        let first_version = (
            "/sys/fs/cgroup/cpu",
            vec![
                ("cpu.cfs_period_us", PERIOD.to_string()),
                ("cpu.cfs_quota_us", quota.to_string()),
            ],
        );
        [second_version, first_version]
            .into_iter()
            .find_map(|(parent, limits)| Self::in_group(Path::new(parent), &limits, process))
    }

    fn in_group(parent: &Path, limits: &[(&str, String)], process: u32) -> Option<Self> {
        let group = parent.join(format!("page-visit-counter-bench-{}", process::id()));
        fs::create_dir(&group).ok()?;
        let throttle = Self {
            group,
            parent: parent.to_owned(),
            process,
        };
        for (file, value) in limits {
            write(&throttle.group.join(file), value)?;
        }
        write(&throttle.group.join("cgroup.procs"), &process.to_string())?;
        Some(throttle)
    }
}

/// To a file that the kernel must have made: a folder that is no control group has none.
fn write(file: &Path, value: &str) -> Option<()> {
    file.exists().then(|| fs::write(file, value).ok())?
}

impl Drop for Throttle {
    fn drop(&mut self) {
        fs::write(self.parent.join("cgroup.procs"), self.process.to_string()).ok();
        // The kernel takes a moment to see that the group is empty.
        for _ in 0..100 {
            if fs::remove_dir(&self.group).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
