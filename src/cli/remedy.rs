//! What to do about an error, in the flags of this command line: the library says what is wrong, and knows no flag.

use std::error::Error;

use crate::releasing::ReleaseError;
use crate::store::{ContentError, ImportError, LabelError, PublishError, Remedy, StoreError};
use crate::users::DeleteError;
use crate::view::FollowsError;

/// The flags that may help against an error.
pub(super) fn of(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(source) = store_of(error) {
        return match source {
            StoreError::Local { remedy, .. } => remedy.map(flags),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref() {
        return publish(error);
    }
    if let Some(LabelError::Taken { .. }) = error.downcast_ref() {
        return Some(moved("--move"));
    }
    if let Some(ImportError::Nothing { app: Some(_), .. }) = error.downcast_ref() {
        return Some("--dry-run without the name of an app shows what it has".to_owned());
    }
    match error.downcast_ref()? {
        ContentError::NoDirectory { .. } => Some(flags(Remedy::OtherCommit)),
        ContentError::TooLarge(..) => Some("--stat and --name-only show less".to_owned()),
        _ => None,
    }
}

/// What is wrong with the clone or its remote, where an error is about that.
fn store_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a StoreError> {
    if let Some(
        PublishError::Store(source)
        | PublishError::Unseen { source, .. }
        | PublishError::Label(LabelError::Store(source) | LabelError::Unseen { source, .. }),
    ) = error.downcast_ref()
    {
        return Some(source);
    }
    if let Some(LabelError::Store(source) | LabelError::Unseen { source, .. }) =
        error.downcast_ref()
    {
        return Some(source);
    }
    if let Some(ContentError::Store(source)) = error.downcast_ref() {
        return Some(source);
    }
    if let Some(ImportError::Store(source) | ImportError::Unseen { source, .. }) =
        error.downcast_ref()
    {
        return Some(source);
    }
    if let Some(DeleteError::Store(source)) = error.downcast_ref() {
        return Some(source);
    }
    if let Some(ReleaseError::Store(source)) = error.downcast_ref() {
        return Some(source);
    }
    if let Some(ReleaseError::PushUnknown(unknown)) = error.downcast_ref() {
        return match &unknown.why {
            Some(ReleaseError::Store(source)) => Some(source),
            _ => None,
        };
    }
    if let Some(FollowsError::Store(source)) = error.downcast_ref() {
        return Some(source);
    }
    error.downcast_ref()
}

fn publish(error: &PublishError) -> Option<String> {
    match error {
        PublishError::Request { remedy, .. } => remedy.map(flags),
        PublishError::App(problems) => {
            let is_image = |field: &str| field.rsplit('.').next() == Some("image");
            let about_images = problems.list.iter().any(|problem| is_image(&problem.field));
            let hint = "an image is given at publish with --image FUNCTION=REF@sha256:...";
            about_images.then(|| hint.to_owned())
        }
        PublishError::Label(LabelError::Taken { .. }) => Some(moved("--move-label")),
        PublishError::Landed { source, .. } => of(source.as_ref()),
        PublishError::Unbacked { last, .. } => Some(format!(
            "if tags were deleted by hand, or an import has not ended, --trust-last goes on above {last}"
        )),
        _ => None,
    }
}

fn moved(flag: &str) -> String {
    format!("{flag} moves the label")
}

fn flags(remedy: Remedy) -> String {
    let text = match remedy {
        Remedy::OtherClone => "-C DIR names a clone",
        Remedy::OtherRemote => "--remote NAME names another remote",
        Remedy::OtherCommit => "--ref COMMIT names another commit",
        Remedy::CommitInstead => "--head COMMIT takes a commit in their place",
        Remedy::MoreTime => "--timeout SECONDS allows more",
        Remedy::Committed => "without --working-tree, what is committed is published",
        Remedy::WorkTree => "with --working-tree, the files are published as they are",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_against_a_clone_in_trouble_is_said_whatever_was_asked_of_it() {
        let store = || StoreError::Local {
            what: "remote `upstream`".to_owned(),
            problem: "is not there".to_owned(),
            remedy: Some(Remedy::OtherRemote),
        };
        let errors: [Box<dyn Error>; 8] = [
            Box::new(store()),
            Box::new(PublishError::from(store())),
            Box::new(PublishError::from(LabelError::from(store()))),
            Box::new(LabelError::from(store())),
            Box::new(ContentError::from(store())),
            Box::new(DeleteError::from(store())),
            Box::new(ReleaseError::from(store())),
            Box::new(FollowsError::from(store())),
        ];
        for error in errors {
            let said = of(error.as_ref());
            assert_eq!(
                said.as_deref(),
                Some("--remote NAME names another remote"),
                "{error:?}"
            );
        }
    }
}
