//! What is answered: JSON, or why not.

use actix_web::{
    http::{header, StatusCode},
    HttpResponse,
};
use serde::Serialize;

use crate::unwind;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("only {0} is served here")]
    WrongMethod(&'static str),
    #[error("the supervisor does not answer")]
    Silent,
    #[error("the supervisor is gone")]
    Gone,
    #[error("too many ask at the same time")]
    Busy,
    /// A panic on the way, for instance.
    #[error("the answer could not be made")]
    Broken,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Silent | Self::Gone | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        match self {
            Self::WrongMethod(allowed) => {
                response.insert_header((header::ALLOW, *allowed));
            }
            Self::Silent | Self::Busy => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            _ => {}
        }
        #[derive(Serialize)]
        struct Told {
            error: String,
        }
        match json(&Told { error: self.to_string() }) {
            Ok(body) => response.content_type("application/json").body(body),
            Err(_) => response.finish(),
        }
    }
}

/// The value as JSON. Whatever panics in a value of the user's ends here.
pub(super) fn json(value: &impl Serialize) -> Result<String, Refusal> {
    match unwind::guard(|| serde_json::to_string(value)) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) | Err(_) => Err(Refusal::Broken),
    }
}
