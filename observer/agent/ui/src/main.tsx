import { render } from "preact";
import { App } from "./app";
import { start } from "./store";

const place = document.getElementById("app");
if (place) {
  place.replaceChildren();
  start();
  render(<App />, place);
}
