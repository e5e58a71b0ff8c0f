//! What a folder of rules holds: its setup, rules and plugins, in the order CRS asks for. It owns where releases and
//! packages keep them; it refuses to read them.

use super::{Entry, RuleFiles};

/// Where Debian's package keeps the setup of the rules in `/usr/share/modsecurity-crs`.
const DEBIAN_SETUP: &str = "/etc/modsecurity/crs/crs-setup.conf";

/// What to load from a folder: a release of CRS, Debian's package, or a folder of `.conf` files. A setup that is not
/// named is looked for beside the rules, and where Debian keeps it.
///
/// # Errors
///
/// What is missing, for a person.
pub fn entry(files: &dyn RuleFiles, folder: &str, setup: Option<&str>) -> Result<Entry, String> {
    let folder = folder.trim_end_matches('/');
    let holds = |pattern: &str| files.glob(pattern).is_ok_and(|found| !found.is_empty());
    let rules = [format!("{folder}/rules/*.conf"), format!("{folder}/*.conf")];
    let rules = match rules.into_iter().find(|pattern| holds(pattern)) {
        Some(rules) => rules,
        None => return Err(missing(files, folder)),
    };
    let beside = ["crs-setup.conf", "crs-setup.conf.example"].map(|name| format!("{folder}/{name}"));
    let known = beside.into_iter().chain([DEBIAN_SETUP.to_owned()]);
    // Beside rules that stand in the folder itself, its pattern has the setup already.
    let among = rules == format!("{folder}/*.conf") && holds(&format!("{folder}/crs-setup.conf"));
    let found = || known.into_iter().find(|path| holds(path)).filter(|_| !among && is_crs(files, &rules));
    let mut entry = Entry::default();
    entry.setup.extend(setup.map(str::to_owned).or_else(found));
    let plugins = |what: &str| Some(format!("{folder}/plugins/{what}")).filter(|pattern| holds(pattern));
    entry.rules.extend(plugins("*-config.conf"));
    entry.rules.extend(plugins("*-before.conf"));
    entry.rules.push(rules);
    entry.rules.extend(plugins("*-after.conf"));
    Ok(entry)
}

/// Rules of one's own are not given CRS's setup.
fn is_crs(files: &dyn RuleFiles, rules: &str) -> bool {
    let names = files.glob(rules).unwrap_or_default();
    names.iter().any(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with("REQUEST-9")))
}

fn missing(files: &dyn RuleFiles, folder: &str) -> String {
    match files.glob(&format!("{folder}/*")) {
        Ok(found) if found.is_empty() => format!("the folder {folder} is empty or absent"),
        Ok(_) => format!("the folder {folder} holds no `.conf` file"),
        Err(why) => format!("the folder {folder} cannot be read: {why}"),
    }
}
