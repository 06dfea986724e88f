//! Writing messages: members in the order of the RFC's tables, absent ones left out.

use json::Writer;

use crate::error::EncodeError;
use crate::read::Word;

/// Something that is an object on the wire.
pub(crate) trait Write {
    /// Writes its members.
    fn write(&self, json: &mut Writer);
}

/// The calls for members that messages have.
pub(crate) trait Fields {
    fn optional_text(&mut self, name: &str, text: Option<&str>);
    fn optional_number(&mut self, name: &str, number: Option<u64>);
    /// A number that is left out when it is 0.
    fn number_above_zero(&mut self, name: &str, number: u64);
    fn optional_word<T: Word>(&mut self, name: &str, word: Option<T>);
    fn object_of<T: Write>(&mut self, name: &str, object: &T);
    fn optional_object<T: Write>(&mut self, name: &str, object: Option<&T>);
    fn objects<T: Write>(&mut self, name: &str, objects: &[T]);
    /// An array that is left out when it is empty.
    fn objects_if_any<T: Write>(&mut self, name: &str, objects: &[T]);
    /// An array that is left out when it is empty.
    fn texts_if_any(&mut self, name: &str, texts: &[String]);
}

impl Fields for Writer {
    fn optional_text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text_member(name, text);
        }
    }

    fn optional_number(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.number_member(name, number);
        }
    }

    fn number_above_zero(&mut self, name: &str, number: u64) {
        if number > 0 {
            self.number_member(name, number);
        }
    }

    fn optional_word<T: Word>(&mut self, name: &str, word: Option<T>) {
        self.optional_text(name, word.map(T::word));
    }

    fn object_of<T: Write>(&mut self, name: &str, object: &T) {
        self.name(name).object(|json| object.write(json));
    }

    fn optional_object<T: Write>(&mut self, name: &str, object: Option<&T>) {
        if let Some(object) = object {
            self.object_of(name, object);
        }
    }

    fn objects<T: Write>(&mut self, name: &str, objects: &[T]) {
        self.name(name).array(|json| {
            for object in objects {
                json.object(|json| object.write(json));
            }
        });
    }

    fn objects_if_any<T: Write>(&mut self, name: &str, objects: &[T]) {
        if !objects.is_empty() {
            self.objects(name, objects);
        }
    }

    fn texts_if_any(&mut self, name: &str, texts: &[String]) {
        if !texts.is_empty() {
            self.name(name)
                .array(|json| texts.iter().for_each(|text| json.text(text)));
        }
    }
}

/// A frame: the root object with its one member.
///
/// # Errors
/// [`EncodeError::TooLong`] when it does not fit.
pub(crate) fn frame(root: &str, message: impl FnOnce(&mut Writer)) -> Result<String, EncodeError> {
    frame_of(SHORT, root, message)
}

/// Room for most frames without a session description, bytes.
const SHORT: usize = 256;

/// A frame that is likely to be no longer than this.
///
/// # Errors
/// [`EncodeError::TooLong`] when it does not fit.
pub(crate) fn frame_of(
    capacity: usize,
    root: &str,
    message: impl FnOnce(&mut Writer),
) -> Result<String, EncodeError> {
    let mut json = Writer::with_capacity(capacity);
    json.object(|json| json.name(root).object(message));
    let frame = json.into_text();
    if frame.len() > crate::MAX_FRAME {
        return Err(EncodeError::TooLong(frame.len()));
    }
    Ok(frame)
}
