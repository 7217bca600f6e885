//! The recipes that come with the program, by the path that `import` knows them by.

/// Path and text of every module of the stdlib, sorted.
pub(super) const MODULES: &[(&str, &str)] = &[
    ("std/ahead", include_str!("../../stdlib/ahead.rhai")),
    ("std/base", include_str!("../../stdlib/base.rhai")),
    ("std/compare", include_str!("../../stdlib/compare.rhai")),
    ("std/deeds", include_str!("../../stdlib/deeds.rhai")),
    ("std/disks", include_str!("../../stdlib/disks.rhai")),
    ("std/formats", include_str!("../../stdlib/formats.rhai")),
    ("std/foundry", include_str!("../../stdlib/foundry.rhai")),
    ("std/homestead", include_str!("../../stdlib/homestead.rhai")),
    ("std/hypervisor", include_str!("../../stdlib/hypervisor.rhai")),
    ("std/image", include_str!("../../stdlib/image.rhai")),
    ("std/inside", include_str!("../../stdlib/inside.rhai")),
    ("std/inventory", include_str!("../../stdlib/inventory.rhai")),
    ("std/kubernetes", include_str!("../../stdlib/kubernetes.rhai")),
    ("std/lab", include_str!("../../stdlib/lab.rhai")),
    ("std/laid", include_str!("../../stdlib/laid.rhai")),
    ("std/machine", include_str!("../../stdlib/machine.rhai")),
    ("std/made", include_str!("../../stdlib/made.rhai")),
    ("std/many", include_str!("../../stdlib/many.rhai")),
    ("std/moves", include_str!("../../stdlib/moves.rhai")),
    ("std/network", include_str!("../../stdlib/network.rhai")),
    ("std/notes", include_str!("../../stdlib/notes.rhai")),
    ("std/pool", include_str!("../../stdlib/pool.rhai")),
    ("std/routing", include_str!("../../stdlib/routing.rhai")),
    ("std/spec", include_str!("../../stdlib/spec.rhai")),
    ("std/states", include_str!("../../stdlib/states.rhai")),
    ("std/steps", include_str!("../../stdlib/steps.rhai")),
    ("std/storage", include_str!("../../stdlib/storage.rhai")),
    ("std/view", include_str!("../../stdlib/view.rhai")),
    ("std/vm", include_str!("../../stdlib/vm.rhai")),
    ("std/volume", include_str!("../../stdlib/volume.rhai")),
    ("std/wait", include_str!("../../stdlib/wait.rhai")),
];

/// The text of a module such as `std/wait`.
pub(super) fn text(path: &str) -> Option<&'static str> {
    index(path).map(|index| MODULES[index].1)
}

/// Which one of the modules this is.
pub(super) fn index(path: &str) -> Option<usize> {
    let path = path.strip_suffix(".rhai").unwrap_or(path);
    MODULES.binary_search_by(|(name, _)| (*name).cmp(path)).ok()
}

/// The paths of all modules.
pub fn stdlib_modules() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(path, _)| *path)
}
