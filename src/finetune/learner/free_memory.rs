//! How much memory this process may still take, where the system tells.

use std::fs;
use std::path::Path;

/// Bytes: what the machine has left, or what a control group leaves of it where that is less. `None` where the system does
/// not tell, as anywhere but on Linux.
pub(super) fn free_memory() -> Option<u64> {
    free_in(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
}

fn free_in(proc: &Path, groups: &Path) -> Option<u64> {
    let of_machine = 1024 * field(&proc.join("meminfo"), "MemAvailable:")?;
    let memberships = fs::read_to_string(proc.join("self/cgroup")).unwrap_or_default();
    let of_groups = memberships.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let path = path.trim_start_matches('/');
        match controllers {
            "" => left_in(groups, path, ["memory.max", "memory.current"], ["inactive_file", "active_file"]),
            _ if controllers.split(',').any(|name| name == "memory") => left_in(
                &groups.join("memory"),
                path,
                ["memory.limit_in_bytes", "memory.usage_in_bytes"],
                ["total_inactive_file", "total_active_file"],
            ),
            _ => None,
        }
    });
    Some(of_groups.fold(of_machine, u64::min))
}

/// What a group and those around it leave, pages of files apart, which the system gives up for whoever needs memory. A
/// container may see its own group as the root, whatever its path.
fn left_in(root: &Path, path: &str, [limit, used]: [&str; 2], files: [&str; 2]) -> Option<u64> {
    let of_group = |folder: &Path| {
        let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        let pages = files.map(|name| field(&folder.join("memory.stat"), name).unwrap_or(0));
        let used = number(used)?.saturating_sub(pages.iter().sum());
        Some(number(limit)?.saturating_sub(used))
    };
    let own = root.join(path);
    own.ancestors().take_while(|folder| folder.starts_with(root)).filter_map(of_group).min()
}

/// The number behind the name in a file of names and numbers.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_least_of_the_machine_and_of_every_group_around_the_process_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let (proc, groups) = (folder.path().join("proc"), folder.path().join("groups"));
        assert_eq!(free_in(&proc, &groups), None);
        write(&proc, &[("meminfo", "MemTotal: 9 kB\nMemAvailable:    8 kB\n"), ("self/cgroup", "0::/a/b\n")]);
        assert_eq!(free_in(&proc, &groups), Some(8192));
        write(&groups, &[("a/b/memory.max", "max\n"), ("a/b/memory.current", "100\n")]);
        assert_eq!(free_in(&proc, &groups), Some(8192));
        write(&groups, &[("a/memory.max", "5000\n"), ("a/memory.current", "3000\n")]);
        assert_eq!(free_in(&proc, &groups), Some(2000));
        write(&groups, &[("a/memory.stat", "anon 1\ninactive_file 700\nactive_file 300\n")]);
        assert_eq!(free_in(&proc, &groups), Some(3000));
    }

    #[test]
    fn groups_of_the_first_version_and_of_a_container_that_sees_its_own_as_the_root_are_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let (proc, groups) = (folder.path().join("proc"), folder.path().join("groups"));
        write(
            &proc,
            &[("meminfo", "MemAvailable: 8 kB\n"), ("self/cgroup", "5:cpu,cpuacct:/c\n4:memory:/not/seen\n")],
        );
        write(
            &groups,
            &[("memory/memory.limit_in_bytes", "4000\n"), ("memory/memory.usage_in_bytes", "1500\n")],
        );
        assert_eq!(free_in(&proc, &groups), Some(2500));
        write(&groups, &[("memory/memory.stat", "total_inactive_file 500\n")]);
        assert_eq!(free_in(&proc, &groups), Some(3000));
    }
}
