//! Connections that carried a large body are closed after it: hyper keeps the buffer of a connection as large as it once
//! was, some 400 KB, and a pool of many would hold more than the bodies themselves.

use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt as _;

/// The bytes after which a body is large.
const LARGE: usize = 256 * 1024;

/// The connection on which a request will be sent.
pub(crate) fn connection_of(request: &mut HttpRequest) -> CaptureSmithyConnection {
    let connection = CaptureSmithyConnection::new();
    request.add_extension(connection.clone());
    connection
}

/// The same body, whose connection is not used again if it turns out to be large.
pub(crate) fn closing_after(connection: CaptureSmithyConnection, body: SdkBody) -> SdkBody {
    let (mut seen, mut connection) = (0_usize, Some(connection));
    SdkBody::from_body_1_x(body.map_frame(move |frame| {
        seen = seen.saturating_add(frame.data_ref().map_or(0, |data| data.len()));
        if seen > LARGE
            && let Some(metadata) = connection.take().and_then(|connection| connection.get())
        {
            metadata.poison();
        }
        frame
    }))
}
