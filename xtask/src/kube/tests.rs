use super::*;

#[test]
fn only_a_whole_build_of_this_recipe_counts() {
    let root = std::env::temp_dir().join(format!("xtask-kube-{}", std::process::id()));
    let cache = Cache::at(root.clone());
    assert_eq!(current(&cache), None);
    for (name, programs, counts) in [
        ("1.20-recipe0", &PROGRAMS[..], false),
        ("1.20-recipe1", &PROGRAMS[..2], false),
        ("1.21-recipe1", &PROGRAMS[..], true),
    ] {
        let bin = root.join(name).join("bin");
        fs::create_dir_all(&bin).unwrap();
        programs.iter().for_each(|program| fs::write(bin.join(program), "").unwrap());
        build::point_to(&cache, name).unwrap();
        assert_eq!(current(&cache).is_some(), counts, "{name}");
    }
    fs::remove_dir_all(root).unwrap();
}
