//! The pins of image ymls.

use super::Lister;
use super::meaning::Place;
use crate::image::{Platform, Reference};
use crate::pins::{ImageFile, Kind, Pin};

impl Lister<'_> {
    /// The pins of an image yml: those of its references that a package here makes.
    pub(super) fn image_file(&self, file: &ImageFile, pins: &mut Vec<Pin>) {
        for found in &file.references {
            let text = &file.source.text[found.span.clone()];
            let Ok(parsed) = text.parse::<Reference>() else { continue };
            if parsed.tag().is_none() || self.repositories.makers(&parsed).next().is_none() {
                continue;
            }
            let line = file.source.line(found.span.start);
            let place = Place { source: &file.source, line, kind: Kind::ImageFile };
            if let Some(whole) = &found.template {
                pins.push(place.unresolved(&file.source.text[whole.clone()], "a template is part of it", None));
                continue;
            }
            match self.one_architecture(&parsed) {
                Some((image, suffix)) => {
                    let why = format!("it names the image of one architecture, `{}`", suffix.trim_start_matches('-'));
                    let mut pin = self.pin(&place, Err(why), text, &image, None);
                    let tag = pin.expected.as_ref().and_then(Reference::tag).map(|tag| format!("{tag}{suffix}"));
                    pin.expected = tag.map(|tag| parsed.with_tag(&tag));
                    pins.push(pin);
                }
                None => pins.push(self.pin(&place, Ok(found.span.clone()), text, &parsed, None)),
            }
        }
    }

    /// The image of which a reference names what is for one architecture, and the end of the tag that says so, if the
    /// package has such tags.
    fn one_architecture<'a>(&self, parsed: &'a Reference) -> Option<(Reference, &'a str)> {
        let tag = parsed.tag().filter(|_| parsed.digest().is_none() && self.repositories.formed(parsed).is_none())?;
        let (image, suffix) = tag.split_at(tag.rfind('-')?);
        let architecture = suffix.strip_prefix('-')?;
        let is_one = Platform::ARCHITECTURES.iter().any(|known| {
            // With a variant after it, such as `v7`.
            let variant = architecture.strip_prefix(known);
            variant.is_some_and(|variant| {
                let digits = variant.strip_prefix('v');
                variant.is_empty() || digits.is_some_and(|digits| digits.parse::<u8>().is_ok())
            })
        });
        let image = parsed.with_tag(image);
        (is_one && self.repositories.formed(&image).is_some()).then_some((image, suffix))
    }
}
