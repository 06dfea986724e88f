//! A strict reader of DER (X.690): one form for everything, definite lengths of at most 16 bits, nothing left over.

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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    field: Field,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(field: Field, bytes: &'a [u8]) -> Self {
        Self { field, rest: bytes }
    }

    fn error(&self, problem: Problem) -> CertificateError {
        CertificateError::Field(self.field, problem)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Is an element of this tag next?
    pub(crate) fn is_next(&self, tag: u8) -> bool {
        self.rest.first() == Some(&tag)
    }

    /// The next element, whatever it is: its tag, its contents, and the whole of it.
    pub(crate) fn any(&mut self) -> Result<(u8, &'a [u8], &'a [u8]), CertificateError> {
        let bytes = self.rest;
        // 64 KiB is more than any certificate has.
        let (tag, length, header) = match *bytes {
            [tag, length, ..] if length < 0x80 => (tag, usize::from(length), 2),
            [tag, 0x81, length, ..] if length >= 0x80 => (tag, usize::from(length), 3),
            [tag, 0x82, high, low, ..] if high > 0 => (tag, usize::from(high) << 8 | usize::from(low), 4),
            [] => return Err(self.error(Problem::Missing)),
            _ => return Err(self.error(Problem::NotDer)),
        };
        // All five low bits set: the tag goes on in further bytes. Nothing in a certificate does.
        if tag & 0x1f == 0x1f {
            return Err(self.error(Problem::NotDer));
        }
        let Some((whole, rest)) = bytes.split_at_checked(header + length) else {
            return Err(self.error(Problem::Overrun));
        };
        self.rest = rest;
        Ok((tag, &whole[header..], whole))
    }

    /// The contents of the next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], CertificateError> {
        match self.any()? {
            (found, contents, _) if found == tag => Ok(contents),
            _ => Err(self.error(Problem::WrongType)),
        }
    }

    /// The same reader; errors of what comes next name this field.
    pub(crate) fn named(&mut self, field: Field) -> &mut Self {
        self.field = field;
        self
    }

    /// What is inside the next element, which must have this tag.
    pub(crate) fn enter(&mut self, field: Field, tag: u8) -> Result<Self, CertificateError> {
        Ok(Self::new(field, self.named(field).expect(tag)?))
    }

    /// The magnitude of a positive INTEGER of at most `max` bytes, without leading zeros.
    pub(crate) fn positive(&mut self, max: usize) -> Result<&'a [u8], CertificateError> {
        let magnitude = match self.expect(INTEGER)? {
            // A zero byte only where it keeps the first bit from meaning a minus.
            [0, rest @ ..] if rest.first() >= Some(&0x80) => rest,
            whole @ [1..=0x7f, ..] => whole,
            _ => return Err(self.error(Problem::NotDer)),
        };
        if magnitude.len() > max {
            return Err(self.error(Problem::NotOurs));
        }
        Ok(magnitude)
    }

    /// The bytes of a BIT STRING that has only whole ones.
    pub(crate) fn whole_bytes(&mut self) -> Result<&'a [u8], CertificateError> {
        match self.expect(BIT_STRING)? {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(self.error(Problem::NotOurs)),
        }
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), CertificateError> {
        match self.rest {
            [] => Ok(()),
            _ => Err(self.error(Problem::TrailingBytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(bytes: &[u8]) -> Result<(u8, usize), Problem> {
        match Reader::new(Field::Issuer, bytes).any() {
            Ok((tag, contents, _)) => Ok((tag, contents.len())),
            Err(CertificateError::Field(Field::Issuer, problem)) => Err(problem),
            Err(other) => panic!("{other}"),
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
        let positive = |bytes: &'static [u8]| Reader::new(Field::Issuer, bytes).positive(2).ok();
        assert_eq!(positive(&[2, 1, 1]), Some(&[1][..]));
        assert_eq!(positive(&[2, 2, 0, 0x80]), Some(&[0x80][..]));
        assert_eq!(positive(&[2, 3, 0, 0x80, 0]), Some(&[0x80, 0][..]));
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
        let mut reader = Reader::new(Field::Issuer, &[0x30, 2, 5, 0, 5]);
        let inner = reader.enter(Field::Subject, SEQUENCE).unwrap();
        assert!(!inner.is_empty() && inner.is_next(5));
        assert_eq!(inner.end().unwrap_err().to_string(), "subject: trailing bytes");
        assert!(reader.end().is_err());
    }
}
