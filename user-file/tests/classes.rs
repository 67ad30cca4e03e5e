//! Which hashes a file may have beside each other.

use user_file::classes::{Classes, Sample};
use user_file::{Form, Unfit};

const fn sha256(rounds: u32) -> Form {
    Form::Sha256 { rounds }
}

const fn sha512(rounds: u32) -> Form {
    Form::Sha512 { rounds }
}

/// What comes of lines with these hashes.
fn add(forms: &[Form]) -> (Classes, Result<(), Unfit>) {
    let mut classes = Classes::default();
    let all = (1..)
        .zip(forms)
        .try_for_each(|(line, &form)| classes.add(Sample { form, line, place: line..100 }));
    (classes, all)
}

#[test]
fn a_class_has_its_first_hash() {
    let (five, six) = (sha256(5000), sha512(5000));
    let (classes, all) = add(&[six, Form::Sha, six, five, Form::Sha, five, six]);
    assert_eq!(all, Ok(()));
    let found: Vec<_> = classes.iter().map(|s| (s.form, s.line, s.place.clone())).collect();
    assert_eq!(found, [(six, 1, 1..100), (Form::Sha, 2, 2..100), (five, 4, 4..100)]);
    assert_eq!(add(&[]).0.iter().count(), 0);
}

#[test]
fn at_most_eight() {
    let mut forms = vec![Form::Sha, Form::Ssha, Form::Apr1, Form::Md5];
    forms.extend([sha256(1000), sha256(1001), sha512(1000), sha512(1001)]);
    let (mut classes, all) = add(&forms);
    assert_eq!((all, classes.iter().count()), (Ok(()), 8));
    for &form in &forms {
        assert_eq!(classes.add(Sample { form, line: 9, place: 0..1 }), Ok(()));
    }
    let ninth = Sample { form: sha512(1002), line: 9, place: 0..1 };
    assert_eq!(classes.add(ninth), Err(Unfit::ManyClasses));
    assert_eq!(classes.iter().count(), 8);
}

#[test]
fn at_most_so_many_rounds_together() {
    for forms in [
        &[sha512(20_000), sha256(10_000)][..],
        &[sha512(20_000), sha256(9000), Form::Apr1, Form::Sha, Form::Ssha],
        &[sha512(20_000), sha256(8000), Form::Apr1, Form::Md5],
        &[sha512(20_000), sha512(20_000), sha256(10_000)],
    ] {
        assert_eq!(add(forms).1, Ok(()), "{forms:?}");
    }
    for forms in [
        &[sha512(20_000), sha256(10_001)][..],
        &[sha512(20_000), sha512(10_001)],
        &[Form::Apr1, sha512(20_000), sha256(9001)],
        &[sha512(20_000), sha256(9001), Form::Apr1],
        &[sha512(20_000), sha256(8001), Form::Apr1, Form::Md5],
    ] {
        assert_eq!(add(forms).1, Err(Unfit::ManyRounds), "{forms:?}");
    }
}
