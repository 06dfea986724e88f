//! A strict reader of DER (X.690): one form for everything, definite lengths of at most 16 bits, nothing left over.

use core::cell::Cell;

use crate::error::{CertificateError, Field, Problem};

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;

/// Elements one after another: the contents of a field, whose name is in its errors.
///
/// What is not as it must be reads as empty, with nothing after it, and the first of such makes the whole certificate
/// an error: so what reads certificates has no branch for each element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a, 'e> {
    field: Field,
    rest: &'a [u8],
    /// The first problem of the certificate.
    first: &'e Cell<Option<CertificateError>>,
}

impl<'a, 'e> Reader<'a, 'e> {
    pub(crate) fn new(field: Field, bytes: &'a [u8], first: &'e Cell<Option<CertificateError>>) -> Self {
        let rest = bytes;
        Self { field, rest, first }
    }

    /// The certificate is refused because of this, unless it is already.
    #[inline(never)]
    pub(crate) fn record(&self, error: CertificateError) {
        self.first.set(self.first.get().or(Some(error)));
    }

    /// The certificate is refused because of this field.
    #[inline(never)]
    pub(crate) fn refuse(&self, problem: Problem) {
        self.record(CertificateError::Field(self.field, problem));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Is an element of this tag next?
    pub(crate) fn is_next(&self, tag: u8) -> bool {
        self.rest.first() == Some(&tag)
    }

    /// The next element, whatever it is: its tag, its contents, and the whole of it.
    #[inline(never)]
    pub(crate) fn any(&mut self) -> (u8, &'a [u8], &'a [u8]) {
        match measure(self.rest) {
            Ok((tag, header, length)) => {
                let (whole, rest) = self.rest.split_at(length);
                self.rest = rest;
                (tag, &whole[header..], whole)
            }
            Err(problem) => {
                self.refuse(problem);
                self.rest = &[];
                (0, &[], &[])
            }
        }
    }

    /// The contents of the next element, which must have this tag.
    #[inline(never)]
    pub(crate) fn expect(&mut self, tag: u8) -> &'a [u8] {
        let (found, contents, _) = self.any();
        if found == tag {
            return contents;
        }
        self.refuse(Problem::WrongType);
        &[]
    }

    /// The same reader; errors of what comes next name this field.
    pub(crate) fn named(&mut self, field: Field) -> &mut Self {
        self.field = field;
        self
    }

    /// What is inside the next element, which must have this tag.
    #[inline(never)]
    pub(crate) fn enter(&mut self, field: Field, tag: u8) -> Self {
        let contents = self.named(field).expect(tag);
        Self::new(field, contents, self.first)
    }

    /// What is inside the only element of some bytes, a sequence.
    #[inline(never)]
    pub(crate) fn enter_only(&self, field: Field, bytes: &'a [u8]) -> Self {
        let mut outside = Self::new(field, bytes, self.first);
        let inside = outside.enter(field, SEQUENCE);
        outside.end();
        inside
    }

    /// The magnitude of a positive INTEGER of at most `max` bytes, without leading zeros.
    #[inline(never)]
    pub(crate) fn positive(&mut self, max: usize) -> &'a [u8] {
        let magnitude = match self.expect(INTEGER) {
            // A zero byte only where it keeps the first bit from meaning a minus.
            [0, rest @ ..] if rest.first() >= Some(&0x80) => rest,
            whole @ [1..=0x7f, ..] => whole,
            _ => {
                self.refuse(Problem::NotDer);
                &[]
            }
        };
        if magnitude.len() <= max {
            return magnitude;
        }
        self.refuse(Problem::NotOurs);
        &[]
    }

    /// The bytes of a BIT STRING that has only whole ones.
    pub(crate) fn whole_bytes(&mut self) -> &'a [u8] {
        match self.expect(BIT_STRING) {
            [0, bytes @ ..] => bytes,
            _ => {
                self.refuse(Problem::NotOurs);
                &[]
            }
        }
    }

    /// Nothing may be left.
    #[inline(never)]
    pub(crate) fn end(&self) {
        if !self.is_empty() {
            self.refuse(Problem::TrailingBytes);
        }
    }
}

/// The first element: its tag, and the lengths of its header and of the whole of it.
fn measure(bytes: &[u8]) -> Result<(u8, usize, usize), Problem> {
    // 64 KiB is more than any certificate has.
    let (tag, length, header) = match *bytes {
        [tag, length, ..] if length < 0x80 => (tag, usize::from(length), 2),
        [tag, 0x81, length, ..] if length >= 0x80 => (tag, usize::from(length), 3),
        [tag, 0x82, high, low, ..] if high > 0 => (tag, usize::from(high) << 8 | usize::from(low), 4),
        [] => return Err(Problem::Missing),
        _ => return Err(Problem::NotDer),
    };
    // All five low bits set: the tag goes on in further bytes. Nothing in a certificate does.
    if tag & 0x1f == 0x1f {
        return Err(Problem::NotDer);
    }
    if bytes.len() < header + length {
        return Err(Problem::Overrun);
    }
    Ok((tag, header, header + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(bytes: &[u8]) -> Result<(u8, usize), Problem> {
        let first = Cell::new(None);
        let (tag, contents, _) = Reader::new(Field::Issuer, bytes, &first).any();
        match first.get() {
            None => Ok((tag, contents.len())),
            Some(CertificateError::Field(Field::Issuer, problem)) => Err(problem),
            Some(other) => panic!("{other}"),
        }
    }

    #[test]
    fn lengths_have_one_form() {
        let long = |head: &[u8], length: usize| [head, &vec![0; length]].concat();
        assert_eq!(any(&[4, 0]), Ok((4, 0)));
        assert_eq!(any(&long(&[4, 0x7f], 127)), Ok((4, 127)));
        assert_eq!(any(&long(&[4, 0x81, 0x80], 128)), Ok((4, 128)));
        assert_eq!(any(&long(&[4, 0x82, 1, 0], 256)), Ok((4, 256)));
        for bad in [
            &[4][..],
            &[4, 0x80, 0, 0],
            &[4, 0x81, 0x7f],
            &[4, 0x81],
            &[4, 0x82, 0, 0xff],
            &[4, 0x82, 1],
            &[4, 0x83, 1, 0, 0],
            &[4, 0xff],
        ] {
            assert_eq!(any(bad), Err(Problem::NotDer), "{bad:x?}");
        }
        assert_eq!(any(&[]), Err(Problem::Missing));
        assert_eq!(any(&[4, 2, 0]), Err(Problem::Overrun));
        assert_eq!(any(&[0x1f, 0]), Err(Problem::NotDer));
    }

    #[test]
    fn numbers_have_one_form() {
        let positive = |bytes: &'static [u8]| {
            let first = Cell::new(None);
            let magnitude = Reader::new(Field::Issuer, bytes, &first).positive(2).to_vec();
            first.get().is_none().then_some(magnitude)
        };
        assert_eq!(positive(&[2, 1, 1]), Some(vec![1]));
        assert_eq!(positive(&[2, 2, 0, 0x80]), Some(vec![0x80]));
        assert_eq!(positive(&[2, 3, 0, 0x80, 0]), Some(vec![0x80, 0]));
        for bad in [
            &[2, 0][..],
            &[2, 1, 0],
            &[2, 1, 0x80],
            &[2, 2, 0, 0x7f],
            &[2, 3, 1, 0, 0],
            &[3, 1, 1],
        ] {
            assert_eq!(positive(bad), None, "{bad:x?}");
        }
    }

    #[test]
    fn leftovers_are_noticed() {
        let first = Cell::new(None);
        let mut reader = Reader::new(Field::Issuer, &[0x30, 2, 5, 0, 5], &first);
        let inner = reader.enter(Field::Subject, SEQUENCE);
        assert!(!inner.is_empty() && inner.is_next(5) && first.get().is_none());
        inner.end();
        assert_eq!(first.get().unwrap().to_string(), "subject: trailing bytes");
        first.set(None);
        reader.end();
        assert!(first.get().is_some());
    }
}
