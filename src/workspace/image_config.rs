//! `config` of a build.yml as the JSON text of the label `org.mobyproject.config`.
//!
//! The text is, byte for byte, what Go's JSON encoder gives for linuxkit's typed structs: the order of fields is that
//! of the structs and not of the yml, `<`, `>` and `&` are escaped, maps are sorted by key. A table per struct says
//! what is read under which key and written under which name; reading and writing are one walk over it. What is below
//! `resources`, `mounts` and the id mappings are structs of the OCI runtime specification, whose keys in YAML are the
//! Go names in lower case.

use std::collections::BTreeMap;
use std::ops::Range;

use super::fields::Reader;
use super::yaml::{Kind, Meaning, Node};

/// When a field is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// When the yml gives it, even if it is empty.
    Given,
    /// When it is neither empty nor zero nor false.
    Filled,
    /// Always, as its zero value if need be.
    Always,
}

/// The type of a field.
enum Shape {
    Text,
    Flag,
    Integer(Range<i128>),
    /// Whatever is there: a number or a name, in practice.
    Any,
    List(&'static Shape),
    /// Keys are texts.
    Map(&'static Shape),
    Record(&'static [Field]),
    /// A record whose fields are written among those of the record around it.
    Embedded(&'static [Field]),
}

/// A field of a struct.
struct Field {
    /// The key in YAML.
    key: &'static str,
    /// The name in JSON.
    name: &'static str,
    shape: Shape,
    written: Written,
}

const fn given(name: &'static str, shape: Shape) -> Field {
    Field { key: name, name, shape, written: Written::Given }
}

const fn filled(name: &'static str, shape: Shape) -> Field {
    Field { key: name, name, shape, written: Written::Filled }
}

const fn always(name: &'static str, shape: Shape) -> Field {
    Field { key: name, name, shape, written: Written::Always }
}

/// A field whose key in YAML differs from its name in JSON.
const fn keyed(key: &'static str, field: Field) -> Field {
    Field { key, ..field }
}

const U16: Shape = Shape::Integer(0..1 << 16);
const U32: Shape = Shape::Integer(0..1 << 32);
const U64: Shape = Shape::Integer(0..1 << 64);
const I64: Shape = Shape::Integer(-(1 << 63)..1 << 63);
const TEXTS: Shape = Shape::List(&Shape::Text);
const TEXT_MAP: Shape = Shape::Map(&Shape::Text);
const MOUNTS: Shape = Shape::List(&Shape::Record(MOUNT));
const ID_MAPPINGS: Shape = Shape::List(&Shape::Record(ID_MAPPING));

const CONFIG: &[Field] = &[
    given("capabilities", TEXTS),
    given("capabilities.add", TEXTS),
    given("ambient", TEXTS),
    given("mounts", MOUNTS),
    given("binds", TEXTS),
    given("binds.add", TEXTS),
    given("devices", Shape::List(&Shape::Record(DEVICE))),
    given("tmpfs", TEXTS),
    given("command", TEXTS),
    given("env", TEXTS),
    filled("cwd", Shape::Text),
    filled("net", Shape::Text),
    filled("pid", Shape::Text),
    filled("ipc", Shape::Text),
    filled("uts", Shape::Text),
    filled("userns", Shape::Text),
    filled("hostname", Shape::Text),
    given("readonly", Shape::Flag),
    given("maskedPaths", TEXTS),
    given("readonlyPaths", TEXTS),
    given("uid", Shape::Any),
    given("gid", Shape::Any),
    given("additionalGids", Shape::List(&Shape::Any)),
    given("noNewPrivileges", Shape::Flag),
    given("oomScoreAdj", I64),
    given("rootfsPropagation", Shape::Text),
    given("cgroupsPath", Shape::Text),
    given("resources", Shape::Record(RESOURCES)),
    given("sysctl", TEXT_MAP),
    given("rlimits", TEXTS),
    given("uidMappings", ID_MAPPINGS),
    given("gidMappings", ID_MAPPINGS),
    given("annotations", TEXT_MAP),
    given("runtime", Shape::Record(RUNTIME)),
];

const MOUNT: &[Field] = &[
    always("destination", Shape::Text),
    filled("type", Shape::Text),
    filled("source", Shape::Text),
    filled("options", TEXTS),
    keyed("uidmappings", filled("uidMappings", ID_MAPPINGS)),
    keyed("gidmappings", filled("gidMappings", ID_MAPPINGS)),
];

const ID_MAPPING: &[Field] =
    &[keyed("containerid", always("containerID", U32)), keyed("hostid", always("hostID", U32)), always("size", U32)];

const DEVICE: &[Field] = &[
    always("path", Shape::Text),
    always("type", Shape::Text),
    always("major", I64),
    always("minor", I64),
    filled("mode", Shape::Text),
];

const RUNTIME: &[Field] = &[
    given("cgroups", TEXTS),
    given("mounts", MOUNTS),
    given("mkdir", TEXTS),
    given("interfaces", Shape::List(&Shape::Record(INTERFACE))),
    always("bindNS", Shape::Record(NAMESPACES)),
    given("namespace", Shape::Text),
];

const NAMESPACES: &[Field] = &[
    given("cgroup", Shape::Text),
    given("ipc", Shape::Text),
    given("mnt", Shape::Text),
    given("net", Shape::Text),
    given("pid", Shape::Text),
    given("user", Shape::Text),
    given("uts", Shape::Text),
];

const INTERFACE: &[Field] = &[
    filled("name", Shape::Text),
    filled("add", Shape::Text),
    filled("peer", Shape::Text),
    always("createInRoot", Shape::Flag),
];

const RESOURCES: &[Field] = &[
    filled("devices", Shape::List(&Shape::Record(DEVICE_CGROUP))),
    given("memory", Shape::Record(MEMORY)),
    given("cpu", Shape::Record(CPU)),
    given("pids", Shape::Record(PIDS)),
    keyed("blockio", given("blockIO", Shape::Record(BLOCK_IO))),
    keyed("hugepagelimits", filled("hugepageLimits", Shape::List(&Shape::Record(HUGEPAGE_LIMIT)))),
    given("network", Shape::Record(NETWORK)),
    filled("rdma", Shape::Map(&Shape::Record(RDMA))),
    filled("unified", TEXT_MAP),
];

const DEVICE_CGROUP: &[Field] = &[
    always("allow", Shape::Flag),
    filled("type", Shape::Text),
    given("major", I64),
    given("minor", I64),
    filled("access", Shape::Text),
];

const MEMORY: &[Field] = &[
    given("limit", I64),
    given("reservation", I64),
    given("swap", I64),
    given("kernel", I64),
    keyed("kerneltcp", given("kernelTCP", I64)),
    given("swappiness", U64),
    keyed("disableoomkiller", given("disableOOMKiller", Shape::Flag)),
    keyed("usehierarchy", given("useHierarchy", Shape::Flag)),
    keyed("checkbeforeupdate", given("checkBeforeUpdate", Shape::Flag)),
];

const CPU: &[Field] = &[
    given("shares", U64),
    given("quota", I64),
    given("burst", U64),
    given("period", U64),
    keyed("realtimeruntime", given("realtimeRuntime", I64)),
    keyed("realtimeperiod", given("realtimePeriod", U64)),
    filled("cpus", Shape::Text),
    filled("mems", Shape::Text),
    given("idle", I64),
];

const PIDS: &[Field] = &[always("limit", I64)];

const BLOCK_IO: &[Field] = &[
    given("weight", U16),
    keyed("leafweight", given("leafWeight", U16)),
    keyed("weightdevice", filled("weightDevice", Shape::List(&Shape::Record(WEIGHT_DEVICE)))),
    keyed("throttlereadbpsdevice", filled("throttleReadBpsDevice", THROTTLE)),
    keyed("throttlewritebpsdevice", filled("throttleWriteBpsDevice", THROTTLE)),
    keyed("throttlereadiopsdevice", filled("throttleReadIOPSDevice", THROTTLE)),
    keyed("throttlewriteiopsdevice", filled("throttleWriteIOPSDevice", THROTTLE)),
];

const THROTTLE: Shape = Shape::List(&Shape::Record(&[BLOCK_DEVICE, always("rate", U64)]));

const WEIGHT_DEVICE: &[Field] = &[BLOCK_DEVICE, given("weight", U16), keyed("leafweight", given("leafWeight", U16))];

const BLOCK_DEVICE: Field =
    always("linuxblockiodevice", Shape::Embedded(&[always("major", I64), always("minor", I64)]));

const HUGEPAGE_LIMIT: &[Field] = &[keyed("pagesize", always("pageSize", Shape::Text)), always("limit", U64)];

const NETWORK: &[Field] = &[
    keyed("classid", given("classID", U32)),
    filled("priorities", Shape::List(&Shape::Record(&[always("name", Shape::Text), always("priority", U32)]))),
];

const RDMA: &[Field] = &[keyed("hcahandles", given("hcaHandles", U32)), keyed("hcaobjects", given("hcaObjects", U32))];

/// The text of the label for the value of `config`, or `None` if that is null or, which is noted, wrong.
pub(super) fn label(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let before = reader.problems.len();
    let text = encode(reader, "config", node, &Shape::Record(CONFIG));
    text.filter(|_| reader.problems.len() == before)
}

/// The JSON text of a value, or `None` if it is null or, which is noted, wrong.
fn encode(reader: &mut Reader<'_>, path: &str, node: &Node, shape: &Shape) -> Option<String> {
    if node.is_null() {
        return None;
    }
    match shape {
        Shape::Text => reader.text(path, node).map(|text| quoted(&text.value)),
        Shape::Flag => reader.boolean(path, node).map(|flag| flag.to_string()),
        Shape::Integer(range) => reader.integer(path, node, range).map(|integer| integer.to_string()),
        Shape::Any => any(reader, path, node),
        Shape::List(item) => {
            let items = reader.items(path, node);
            let items = items
                .into_iter()
                .enumerate()
                .filter_map(|(index, node)| encode(reader, &format!("{path}[{index}]"), node, item));
            Some(format!("[{}]", items.collect::<Vec<_>>().join(",")))
        }
        Shape::Map(value) => {
            let mut entries = BTreeMap::new();
            for entry in reader.entries(path, node) {
                let text = encode(reader, &format!("{path}.{}", entry.key.value), entry.value, value);
                entries.insert(entry.key.value, text.unwrap_or_else(|| zero(value)));
            }
            Some(object(entries.into_iter().map(|(key, text)| format!("{}:{text}", quoted(key)))))
        }
        Shape::Record(fields) | Shape::Embedded(fields) => Some(object(record(reader, path, Some(node), fields))),
    }
}

/// The members that the fields of a record give, `"name":value` each.
fn record(reader: &mut Reader<'_>, path: &str, node: Option<&Node>, fields: &[Field]) -> Vec<String> {
    let entries = node.map(|node| reader.entries(path, node)).unwrap_or_default();
    for entry in &entries {
        if !fields.iter().any(|field| field.key == entry.key.value) {
            reader.unknown_key(&entry.key, &format!("`{path}`"), fields.iter().map(|field| field.key));
        }
    }
    let mut members = Vec::new();
    for field in fields {
        let node = entries.iter().find(|entry| entry.key.value == field.key).map(|entry| entry.value);
        let path = format!("{path}.{}", field.key);
        if let Shape::Embedded(fields) = field.shape {
            members.extend(record(reader, &path, node, fields));
            continue;
        }
        let text = node.and_then(|node| encode(reader, &path, node, &field.shape));
        let text = match field.written {
            Written::Given => text,
            Written::Filled => text.filter(|text| *text != zero(&field.shape)),
            Written::Always => Some(text.unwrap_or_else(|| zero(&field.shape))),
        };
        members.extend(text.map(|text| format!("{}:{text}", quoted(field.name))));
    }
    members
}

/// The JSON text of a value that was not given, or is as good as not given.
fn zero(shape: &Shape) -> String {
    match shape {
        Shape::Text => "\"\"".to_owned(),
        Shape::Flag => "false".to_owned(),
        Shape::Integer(_) => "0".to_owned(),
        Shape::Any => "null".to_owned(),
        Shape::List(_) => "[]".to_owned(),
        Shape::Map(_) => "{}".to_owned(),
        Shape::Record(fields) | Shape::Embedded(fields) => {
            let always = fields.iter().filter(|field| field.written == Written::Always);
            object(always.map(|field| format!("{}:{}", quoted(field.name), zero(&field.shape))))
        }
    }
}

/// The JSON text of an untyped value.
fn any(reader: &mut Reader<'_>, path: &str, node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Sequence(items) => {
            let items = items.iter().map(|item| any(reader, path, item)).collect::<Option<Vec<_>>>()?;
            Some(format!("[{}]", items.join(",")))
        }
        Kind::Mapping(_) => {
            let mut entries = BTreeMap::new();
            for entry in reader.entries(path, node) {
                entries.insert(entry.key.value, any(reader, path, entry.value)?);
            }
            Some(object(entries.into_iter().map(|(key, text)| format!("{}:{text}", quoted(key)))))
        }
        Kind::Scalar(_) => match reader.scalar(path, node, "a number or a text")? {
            (_, Meaning::Null) => Some("null".to_owned()),
            (_, Meaning::Boolean(flag)) => Some(flag.to_string()),
            (_, Meaning::Integer(integer)) => Some(integer.to_string()),
            (_, Meaning::Float(value)) if value.is_finite() => Some(float(value)),
            (text, Meaning::Text) => Some(quoted(text)),
            (_, Meaning::Float(_) | Meaning::Date) => {
                let help = "put it in quotes to make it a text".to_owned();
                reader.wrong_type(path, node, "a number or a text", Some(help));
                None
            }
        },
    }
}

fn object(members: impl IntoIterator<Item = String>) -> String {
    format!("{{{}}}", members.into_iter().collect::<Vec<_>>().join(","))
}

/// A float as Go writes it: the shortest digits, with an exponent only below 1e-6 and from 1e21 on.
fn float(value: f64) -> String {
    if value != 0.0 && !(1e-6..1e21).contains(&value.abs()) {
        let text = format!("{value:e}");
        if text.contains("e-") { text } else { text.replace('e', "e+") }
    } else {
        value.to_string()
    }
}

/// A string as Go's JSON encoder writes it.
fn quoted(text: &str) -> String {
    use std::fmt::Write as _;

    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(json, "\\u{:04x}", u32::from(c)).expect("writing to a string cannot fail");
            }
            _ => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::SourceFile;
    use crate::workspace::yaml;

    /// The label of a `config` in flow or block style, and the codes of problems and warnings.
    fn read(config: &str) -> (Option<String>, Vec<String>) {
        let source = SourceFile::new("build.yml", config);
        let mut reader = Reader::new(&source, false);
        let root = yaml::parse(config).unwrap().unwrap();
        let label = label(&mut reader, &root);
        (label, reader.problems.iter().chain(&reader.warnings).map(ToString::to_string).collect())
    }

    fn assert_label(config: &str, expected: &str) {
        assert_eq!(read(config), (Some(expected.to_owned()), Vec::new()), "{config}");
    }

    #[test]
    fn fields_stand_in_the_order_of_the_struct() {
        assert_label(
            "{runtime: {}, annotations: {b: 1, a: 2}, gidMappings: [], uidMappings: [], rlimits: [x], sysctl: {k: v},
              resources: {}, cgroupsPath: p, rootfsPropagation: shared, oomScoreAdj: -1, noNewPrivileges: yes,
              additionalGids: [1, x], gid: 2, uid: root, readonlyPaths: [], maskedPaths: [], readonly: off,
              hostname: h, userns: u, uts: u, ipc: i, pid: p, net: n, cwd: /, env: [A=b], command: [c], tmpfs: [/t],
              devices: [], binds.add: [b], binds: [a], mounts: [], ambient: [m], capabilities.add: [q],
              capabilities: [all]}",
            r#"{"capabilities":["all"],"capabilities.add":["q"],"ambient":["m"],"mounts":[],"binds":["a"],"binds.add":["b"],"devices":[],"tmpfs":["/t"],"command":["c"],"env":["A=b"],"cwd":"/","net":"n","pid":"p","ipc":"i","uts":"u","userns":"u","hostname":"h","readonly":false,"maskedPaths":[],"readonlyPaths":[],"uid":"root","gid":2,"additionalGids":[1,"x"],"noNewPrivileges":true,"oomScoreAdj":-1,"rootfsPropagation":"shared","cgroupsPath":"p","resources":{},"sysctl":{"k":"v"},"rlimits":["x"],"uidMappings":[],"gidMappings":[],"annotations":{"a":"2","b":"1"},"runtime":{"bindNS":{}}}"#,
        );
    }

    #[test]
    fn what_is_given_is_kept_even_if_empty_but_for_plain_texts() {
        assert_label("{}", "{}");
        assert_label("{binds: [], readonly: no, oomScoreAdj: 0, cgroupsPath: '', sysctl: {}}", {
            r#"{"binds":[],"readonly":false,"oomScoreAdj":0,"cgroupsPath":"","sysctl":{}}"#
        });
        assert_label("{cwd: '', net: \"\", hostname: ''}", "{}");
        assert_label("{binds: ~, readonly:, oomScoreAdj: ~, uid: ~, sysctl: ~, runtime: ~, devices: [~]}", {
            r#"{"devices":[]}"#
        });
        assert_label("{sysctl: {a: ~}, binds: [~, x], additionalGids: [1]}", {
            r#"{"binds":["x"],"additionalGids":[1],"sysctl":{"a":""}}"#
        });
        assert_eq!(read("~"), (None, Vec::new()));
    }

    #[test]
    fn mounts_devices_and_interfaces_have_fields_that_are_always_there() {
        assert_label("{mounts: [{}, {options: [], type: bind, source: /a, destination: /b}]}", {
            r#"{"mounts":[{"destination":""},{"destination":"/b","type":"bind","source":"/a"}]}"#
        });
        assert_label("{mounts: [{options: [ro], uidmappings: [{containerid: 1}]}]}", {
            r#"{"mounts":[{"destination":"","options":["ro"],"uidMappings":[{"containerID":1,"hostID":0,"size":0}]}]}"#
        });
        assert_label("{devices: [{path: all, type: b}, {mode: 0666, major: 0x10, minor: 010}]}", {
            r#"{"devices":[{"path":"all","type":"b","major":0,"minor":0},{"path":"","type":"","major":16,"minor":8,"mode":"0666"}]}"#
        });
        assert_label(
            "{runtime: {namespace: n, bindNS: {uts: u, cgroup: c}, interfaces: [{peer: p, name: n}], mkdir: [], \
             mounts: [{}], cgroups: [c]}}",
            r#"{"runtime":{"cgroups":["c"],"mounts":[{"destination":""}],"mkdir":[],"interfaces":[{"name":"n","peer":"p","createInRoot":false}],"bindNS":{"cgroup":"c","uts":"u"},"namespace":"n"}}"#,
        );
    }

    #[test]
    fn resources_have_lower_case_keys_and_embedded_devices() {
        assert_label(
            "resources:
  devices: [{allow: yes, major: 1}]
  memory: {limit: 0, disableoomkiller: false}
  cpu: {cpus: '', mems: 0-1, realtimeperiod: 18446744073709551615}
  pids: {}
  blockio:
    weightdevice: [{linuxblockiodevice: {major: 8}, weight: 10}, {}]
    throttlereadbpsdevice: [{rate: 1}]
  hugepagelimits: [{pagesize: 2MB}]
  network: {classid: 1, priorities: [{name: eth0}]}
  rdma: {b: {hcahandles: 0}, a: ~}
  unified: {}
",
            r#"{"resources":{"devices":[{"allow":true,"major":1}],"memory":{"limit":0,"disableOOMKiller":false},"cpu":{"realtimePeriod":18446744073709551615,"mems":"0-1"},"pids":{"limit":0},"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":10},{"major":0,"minor":0}],"throttleReadBpsDevice":[{"major":0,"minor":0,"rate":1}]},"hugepageLimits":[{"pageSize":"2MB","limit":0}],"network":{"classID":1,"priorities":[{"name":"eth0","priority":0}]},"rdma":{"a":{},"b":{"hcaHandles":0}}}}"#,
        );
    }

    #[test]
    fn texts_have_the_escapes_of_go() {
        assert_label("{binds: [\"<a>&'\\\"\\\\\\n\\r\\t\\b\\f\\x01\\x7f\\u2028\\u2029ü🦀\"]}", {
            "{\"binds\":[\"\\u003ca\\u003e\\u0026'\\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}\\u2028\\u2029ü🦀\"]}"
        });
        assert_label("{sysctl: {'<': '>'}}", r#"{"sysctl":{"\u003c":"\u003e"}}"#);
    }

    #[test]
    fn ids_are_kept_as_number_or_text() {
        for (written, json) in [
            ("0", "0"),
            ("1000", "1000"),
            ("0100", "64"),
            ("'1000'", "\"1000\""),
            ("nobody", "\"nobody\""),
            ("yes", "\"yes\""),
            ("true", "true"),
            ("1.5", "1.5"),
            ("1.0", "1"),
            ("1e21", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("0.0000001", "1e-7"),
            ("[1, {b: ~, a: x}]", "[1,{\"a\":\"x\",\"b\":null}]"),
        ] {
            assert_label(&format!("{{uid: {written}}}"), &format!("{{\"uid\":{json}}}"));
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_its_path() {
        for (config, message) in [
            ("{binds: x}", "`config.binds` must be a list, but it is the text `x`"),
            ("{binds: [[x]]}", "`config.binds[0]` must be a text, but it is a list"),
            ("{readonly: 'true'}", "`config.readonly` must be a boolean, but it is the quoted text `true`"),
            ("{sysctl: [x]}", "`config.sysctl` must be a mapping, but it is a list"),
            ("x", "`config` must be a mapping, but it is the text `x`"),
            ("{uid: 2020-01-02}", "`config.uid` must be a number or a text, but it is the date `2020-01-02`"),
            ("{uid: .nan}", "`config.uid` must be a number or a text, but it is the number `.nan`"),
            (
                "{runtime: {mounts: [{}, {uidmappings: [{size: -1}]}]}}",
                "`config.runtime.mounts[1].uidmappings[0].size` must be an integer from 0 to 4294967295, but it is the number `-1`",
            ),
        ] {
            assert_eq!(read(config), (None, vec![message.to_owned()]), "{config}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_mapping() {
        let (label, warnings) = read("{runtime: {bindns: {}}, bind: [x]}");
        assert_eq!(label.as_deref(), Some(r#"{"runtime":{"bindNS":{}}}"#));
        assert_eq!(
            warnings,
            ["unknown key `bind` in `config` is ignored", "unknown key `bindns` in `config.runtime` is ignored",]
        );
    }
}
