// Fills the page: the cart comes from the function `api`, the seconds from the function `live`.
const show = (id, text) => { document.getElementById(id).textContent = text; };

fetch("/api/cart").then((answer) => answer.json()).then((cart) => {
  for (const { name, price } of [...cart.items, { name: "Total", price: cart.total }]) {
    const row = document.getElementById("cart").insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = price.toFixed(2);
  }
  show("api", `version ${cart.version}`);
});

const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/live`);
socket.onmessage = ({ data }) => {
  const { version, seconds } = JSON.parse(data);
  show("live", `version ${version}, open for ${seconds} s`);
};
socket.onclose = () => show("live", "nobody any more");
