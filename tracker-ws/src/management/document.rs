//! The API and its OpenAPI document, both from the same handlers.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use hyper::header::CONTENT_TYPE;
use hyper::{StatusCode, Uri};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Problem, Refused};
use super::{
    Operator, access, bans, dashboard, events, explain, history, limits, nodes, peers, service, swarms,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shoal's tracker",
        description = "What operators see and do. Every call needs the bearer token of the settings.",
    ),
    security(("token" = [])),
)]
struct Document;

/// Everything on the listener.
pub(super) fn router(operator: Arc<Operator>) -> Router {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(service::health))
        .routes(routes!(service::metrics))
        .routes(routes!(service::drain))
        .routes(routes!(history::overview))
        .routes(routes!(nodes::list))
        .routes(routes!(swarms::list))
        .routes(routes!(swarms::one))
        .routes(routes!(peers::list))
        .routes(routes!(peers::one))
        .routes(routes!(explain::explain))
        .routes(routes!(events::events))
        .routes(routes!(limits::read, limits::change))
        .routes(routes!(bans::list, bans::add))
        .routes(routes!(bans::one, bans::remove))
        .routes(routes!(openapi))
        .split_for_parts();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("token", SecurityScheme::Http(scheme));
    // It is made of texts and numbers, which can always be written.
    let text: Arc<str> = serde_json::to_string(&document).unwrap_or_default().into();
    router
        .merge(dashboard::router())
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(operator.clone(), access::check))
        .layer(axum::Extension(Text(text)))
        .with_state(operator)
}

#[derive(Clone)]
struct Text(Arc<str>);

/// This document
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "service",
    responses((status = 200, body = Object, content_type = "application/json"), Refused)
)]
async fn openapi(axum::Extension(Text(text)): axum::Extension<Text>) -> Response {
    ([(CONTENT_TYPE, "application/json")], text.to_string()).into_response()
}

async fn not_found(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    Problem::not_found(format!("nothing is at {path}"))
}

async fn not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "not with this method; Allow names those",
    )
}
