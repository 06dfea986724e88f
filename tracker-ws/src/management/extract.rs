//! Parameters and bodies of requests. What is wrong with them is a [`Problem`].

use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::problem::Problem;

/// Longest body, bytes.
const MAX_BODY: usize = 64 * 1024;
/// The body comes in this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest ID that is looked for, characters.
pub(super) const MAX_ID: usize = 512;
/// Largest number that readers in every language take for what it is.
const MAX_ORDINAL: u64 = (1 << 53) - 1;
/// Most items of a list.
const MAX_ITEMS: usize = 200;
const DEFAULT_ITEMS: usize = 50;

/// The part of the path that names something.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) =
            path.map_err(|refused| Problem::bad_request(format!("path: {}", refused.body_text())))?;
        Ok(Self(name))
    }
}

/// The query.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|refused| Problem::bad_request(refused.body_text()))?;
        Ok(Self(query))
    }
}

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let essence = kind.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let detail = format!("Content-Type: want application/json, not {essence:.100}");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = Limited::new(request.into_body(), MAX_BODY).collect();
        let body = match timeout(BODY_TIMEOUT, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let detail = format!("body: longer than {MAX_BODY} bytes");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
            }
            Ok(Err(_)) => return Err(Problem::bad_request("body: cut off")),
            Err(_) => {
                let detail = "body: comes too slowly";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
            }
        };
        let value = serde_json::from_slice::<Value>(&body);
        let mut value = value.map_err(|error| Problem::bad_request(format!("body: {error}")))?;
        make_whole(&mut value);
        let value = T::deserialize(value);
        value
            .map(Self)
            .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("body: {error}")))
    }
}

/// Numbers such as `5.0` are whole ones, as JSON Schema has it. JSON is never nested deeper than its reader goes.
fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && (0.0..=MAX_ORDINAL as f64).contains(&float)
            {
                *number = (float as u64).into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(members) => members.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A member that may be absent, but is not null.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Those after this ID, in order: the `next` of the page before.
    #[param(max_length = 512, nullable = false)]
    pub(super) after: Option<String>,
    /// Most items (50).
    #[param(minimum = 1, maximum = 200, nullable = false)]
    pub(super) limit: Option<usize>,
}

/// The number of items asked for.
pub(super) fn limit(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(DEFAULT_ITEMS) {
        items @ 1..=MAX_ITEMS => Ok(items),
        items => Err(Problem::bad_request(format!(
            "limit: {items} is not in 1 to {MAX_ITEMS}"
        ))),
    }
}

/// An ID to look for.
pub(super) fn id(name: &str, id: Option<String>) -> Result<Option<String>, Problem> {
    match id {
        Some(id) if id.chars().count() > MAX_ID => Err(Problem::bad_request(format!(
            "{name}: longer than {MAX_ID} characters"
        ))),
        id => Ok(id),
    }
}

/// A number that counts something.
pub(super) fn ordinal(name: &str, number: Option<u64>) -> Result<Option<u64>, Problem> {
    match number {
        Some(number) if number > MAX_ORDINAL => {
            Err(Problem::bad_request(format!("{name}: larger than any there is")))
        }
        number => Ok(number),
    }
}

/// A value in its usual notation.
pub(super) fn parsed<T: FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem>
where
    T::Err: std::fmt::Display,
{
    let refuse = |error: T::Err| Problem::bad_request(format!("{name}: {error}"));
    text.map(|text| text.parse().map_err(refuse)).transpose()
}
