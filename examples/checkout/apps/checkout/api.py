"""The function `api`: the cart, as JSON."""

import json

import server

ITEMS = [
    {"name": "Rope, 20 m", "price": 24.50},
    {"name": "Lantern", "price": 39.00},
]
CART = {
    "version": server.VERSION,
    "items": ITEMS,
    "total": sum(item["price"] for item in ITEMS),
}


class Api(server.Handler):
    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/ready":
            self.json(200, {"ready": True})
        elif path == "/api/cart":
            self.json(200, CART)
        else:
            self.json(404, {"error": "there is /api/cart"})

    def json(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.answer(status, "application/json", body, [("Cache-Control", "no-store")])


if __name__ == "__main__":
    server.run(Api)
