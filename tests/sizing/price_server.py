"""A local server that answers as Azure's retail price API is documented to."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATH = "/api/retail/prices"
COMPUTE = "Azure Database for PostgreSQL Flexible Server"


def item(**values: Any) -> dict[str, Any]:
    """A meter with every field of the API; the price of a D4ds_v5 where nothing else is said."""
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": 0.424,
        "unitPrice": 0.424,
        "armRegionName": "westeurope",
        "location": "EU West",
        "effectiveStartDate": "2023-01-01T00:00:00Z",
        "meterId": "00000000-0000-0000-0000-000000000000",
        "meterName": "vCore",
        "productId": "DZH318Z08NRP",
        "skuId": "DZH318Z08NRP/0000",
        "productName": f"{COMPUTE} General Purpose - Ddsv5 Series Compute",
        "skuName": "4 vCore",
        "serviceName": "Azure Database for PostgreSQL",
        "serviceId": "DZH3180HX10K",
        "serviceFamily": "Databases",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": "Standard_D4ds_v5",
        **values,
    }


STORAGE = {
    "productName": "Az DB for PostgreSQL Flexible Server Storage",
    "skuName": "Storage",
    "meterName": "Storage Data Stored",
    "armSkuName": "",
    "unitOfMeasure": "1 GB/Month",
    "retailPrice": 0.138,
}


@dataclass
class PriceServer:
    """Where it listens, what it answers, and what it was asked."""

    pages: Sequence[Sequence[dict[str, Any]]]
    statuses: list[int] = field(default_factory=list)
    """Answers to give before the first page."""
    asked: list[str] = field(default_factory=list)
    next_host: str | None = None
    """Where the next page is said to be; itself where None."""
    body: bytes | None = None
    """In place of any page."""
    url: str = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body, as the API does: 1000 items a page, and where the next is."""
        self.asked.append(path)
        if self.statuses:
            return self.statuses.pop(0), b"busy"
        if self.body is not None:
            return 200, self.body
        number = int(parse_qs(urlsplit(path).query).get("$skip", ["0"])[0]) // 1000
        items = list(self.pages[number])
        host = self.next_host or self.url.removesuffix(PATH)
        more = number + 1 < len(self.pages)
        page = {
            "BillingCurrency": "USD",
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": items,
            "NextPageLink": f"{host}{PATH}?$skip={1000 * (number + 1)}" if more else None,
            "Count": len(items),
        }
        return 200, json.dumps(page).encode()


@contextmanager
def serving(server: PriceServer) -> Iterator[PriceServer]:
    """Listen on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = server.answer(self.path)
            self.send_response(status)
            self.send_header("Retry-After", "0")
            self.send_header("Location", f"{server.url}?elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}{PATH}"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
