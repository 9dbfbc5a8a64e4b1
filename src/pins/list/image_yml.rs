//! The pins of image ymls.

use super::Lister;
use super::meaning::Place;
use crate::image::Reference;
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
            // Which architecture an image yml is for is nothing that a tag says.
            let at = match self.repositories.one_platform(&parsed) {
                Some((_, platform)) => {
                    Err(format!("it names the image of one architecture, `{}`", platform.architecture()))
                }
                None => Ok(found.span.clone()),
            };
            pins.push(self.pin(&place, at, text, &parsed, None));
        }
    }
}
