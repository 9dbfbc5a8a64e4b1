//! What the tags of a package have in common.
//!
//! Several packages can make one repository, with tags that differ in what stands around the hash
//! (`{{.Hash}}-variant`). A former tag of one of them has the same form as its present one, and that tells them apart.

/// Whether `written` is what stands around the hash in `present`, with as many hexadecimal digits in its place.
pub(super) fn has_form(written: &str, present: &str, hash: &str) -> bool {
    // What makes a tag dirty is in no former one.
    let (hash, dirt) = hash.split_once("-dirty-").map_or((hash, None), |(hash, dirt)| (hash, Some(dirt)));
    let dirt = dirt.map(|dirt| format!("-dirty-{dirt}")).unwrap_or_default();
    let present = present.replacen(&dirt, "", 1);
    // A template may take a slice of the hash; its digits stand at the one place of the tag where they fit.
    let digits = (7..=hash.len()).rev().find_map(|length| present.find(hash.get(..length)?).map(|at| (at, length)));
    let Some((start, length)) = digits else { return written == present };
    let (before, after) = (&present[..start], &present[start + length..]);
    let middle = written.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    middle.is_some_and(|middle| middle.len() == length && middle.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_tag_has_the_form_of_the_present_one() {
        let (old, now) = ("0".repeat(40), "ab".repeat(20));
        assert!(has_form(&old, &now, &now));
        assert!(has_form(&format!("v1-{old}-gpu"), &format!("v1-{now}-gpu"), &now));
        assert!(has_form("1234567-gpu", "abababa-gpu", &now));
        for (written, present) in [
            (format!("{old}-gpu"), now.clone()),
            (old.clone(), format!("{now}-gpu")),
            ("latest".to_owned(), now.clone()),
            (format!("{old}0"), now.clone()),
        ] {
            assert!(!has_form(&written, &present, &now), "{written} {present}");
        }
        assert!(has_form("dev", "dev", &now));
        assert!(!has_form("other", "dev", &now));
    }
}
