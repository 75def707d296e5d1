//! What the server says of itself over HTTP, at the port of `-m`: `/varz` and `/healthz` as nats-server has them, `/metrics` for Prometheus. Each
//! answer is made when it is asked for.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jetlag_server::{Running, ServerError};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Of which clients `/metrics` and `/healthz` speak, unless `?user=NAME` says so.
const NO_USER: &str = "";

/// Answers until it is dropped.
pub(crate) async fn serve(listener: TcpListener, running: Arc<Running>) {
    let address = listener.local_addr();
    let port = address.map_or(0, |address| address.port());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client that left before it was accepted; or there is no room for it now.
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                };
                let running = running.clone();
                connections.spawn(async move {
                    let service = service_fn(|request| {
                        let answer = answer(&running, port, &request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let mut http = http1::Builder::new();
                    http.timer(TokioTimer::new());
                    // How a conversation ends is the asker's affair.
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn answer(running: &Running, port: u16, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "read with GET\n".to_owned());
    }
    let user = request.uri().query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("user="))).unwrap_or(NO_USER);
    match request.uri().path() {
        "/varz" => {
            let mut varz = running.varz();
            varz["http_port"] = json!(port);
            json_response(StatusCode::OK, &format!("{varz:#}"))
        }
        "/healthz" => match running.is_up(user) {
            Ok(true) => json_response(StatusCode::OK, &json!({"status": "ok"}).to_string()),
            Ok(false) => unhealthy("the server is down until its restart is over"),
            Err(error) => unhealthy(&error.to_string()),
        },
        "/metrics" => match running.metrics_text(user) {
            Ok(text) => response(StatusCode::OK, jetlag_metrics::CONTENT_TYPE, text),
            Err(error @ ServerError::NoNamespace(_)) => response(StatusCode::NOT_FOUND, TEXT, format!("{error}\n")),
            Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        _ => response(StatusCode::NOT_FOUND, TEXT, "404 page not found; there are /varz, /healthz and /metrics\n".to_owned()),
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn unhealthy(why: &str) -> Response<Full<Bytes>> {
    let body: Json = json!({"status": "unavailable", "status_code": 503, "error": why});
    json_response(StatusCode::SERVICE_UNAVAILABLE, &body.to_string())
}

fn json_response(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    response(status, "application/json", body.to_owned())
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, hyper::header::HeaderValue::from_static("*"));
    response
}
