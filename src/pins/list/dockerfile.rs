//! The pins of Dockerfiles.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Lister;
use super::meaning::Place;
use crate::graph::NodeReference;
use crate::image::Reference;
use crate::pins::{Kind, Pin};
use crate::problem::SourceFile;
use crate::workspace::PackageId;
use crate::workspace::build_yml::Located;
use crate::workspace::dockerfile::ReferenceKind;

impl Lister<'_> {
    /// The pins of a package's Dockerfile but for those that `args` give.
    pub(super) fn dockerfile(&self, id: PackageId, references: &[&NodeReference], args: &[Pin], pins: &mut Vec<Pin>) {
        let package = self.workspace.package(id);
        let (Some(dockerfile), Some(build)) = (&package.dockerfile, &package.build) else { return };
        let given = |name: &String, text: &str| {
            let entries = build.build_args.iter().chain(package.build_args.iter().flat_map(|file| &file.entries));
            let is_given = |entry: &Located<String>| entry.value.split_once('=') == Some((name, text));
            entries.into_iter().any(is_given) && args.iter().any(|pin| pin.reference == text)
        };
        let composed: BTreeSet<&str> = (references.iter())
            .filter(|reference| reference.image.origin.is_none())
            .flat_map(|reference| reference.image.through.iter().map(String::as_str))
            .collect();
        for reference in references {
            let image = &reference.image;
            if image.expanded.as_ref().is_ok_and(|text| image.through.iter().any(|name| given(name, text))) {
                continue;
            }
            pins.push(self.reference(id, &dockerfile.source, reference, &composed));
        }
    }

    /// The pin of a reference. A new default of one of the `ARG`s that others are `composed` of would change these, too.
    fn reference(
        &self,
        id: PackageId,
        source: &SourceFile,
        reference: &NodeReference,
        composed: &BTreeSet<&str>,
    ) -> Pin {
        let image = &reference.image;
        let kind = match image.kind {
            ReferenceKind::From => Kind::From,
            ReferenceKind::CopyFrom => Kind::CopyFrom,
            ReferenceKind::MountFrom => Kind::MountFrom,
        };
        let parsed = image.expanded.clone().and_then(|text| {
            let parsed = text.parse::<Reference>().map_err(|invalid| invalid.reason.to_owned())?;
            Ok((text, parsed))
        });
        let (text, parsed) = match parsed {
            Ok(parsed) => parsed,
            Err(why) => {
                let place = Place { source, line: image.line, kind };
                let pin = place.unresolved(&image.written, &why, Some(id));
                return Pin { is_reached: image.reached, ..pin };
            }
        };
        let stands = |range: &Range<usize>| source.text.get(range.clone()) == Some(text.as_str());
        let at = if stands(&image.span) {
            Ok(image.span.clone())
        } else if let Some(origin) = image.origin.as_ref().filter(|origin| stands(origin)) {
            match image.through.iter().find(|name| composed.contains(name.as_str())) {
                Some(name) => Err(format!("`{name}` is a part of another image, too")),
                None => Ok(origin.clone()),
            }
        } else if image.through.is_empty() {
            Err("it is not written in one piece".to_owned())
        } else {
            let names: Vec<String> = image.through.iter().map(|name| format!("`{name}`")).collect();
            Err(format!("it is put together from {}", names.join(", ")))
        };
        let place = Place { source, line: image.line, kind };
        let pin = self.pin(&place, at, &text, &parsed, Some((id, reference.state)));
        Pin { is_reached: image.reached, ..pin }
    }
}
