// Calls the service from pages of other origins, as an app does and as an attacker would.
//
//   node browser/origins.mjs CHROMIUM API LISTED UNLISTED PASSWORD
//
// LISTED and UNLISTED are origins that serve a page each, and the first one session.js of
// docs/signing-in.md. Prints what it saw as JSON; the judging is pytest's.
import { chromium } from "playwright-core";

const [executablePath, api, listed, unlisted, password] = process.argv.slice(2);
const seen = { app: {}, unlisted: {}, opaque: {}, statuses: [] };

const browser = await chromium.launch({
  executablePath,
  chromiumSandbox: process.getuid?.() !== 0,
  args: ["--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
const context = await browser.newContext(); // one person: all pages share its cookies

/** What an app of a listed origin does. */
const app = async ({ api, password, mutation }) => {
  const { signIn, signOut, session, graphql } = await import("/session.js");
  const seen = { before: (await session()).status };
  seen.wrong = await signIn({ username: "ada", password: "wrong" });
  seen.signedIn = await signIn({ username: "ada", password });
  seen.started = await graphql(mutation);
  const unproven = await fetch(`${api}/graphql`, {
    method: "POST",
    credentials: "include",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query: mutation }),
  });
  seen.unproven = unproven.status;
  seen.socket = await globalThis.ask(api, "{ viewer { displayName } }");
  for (let tries = 0; tries < 6; tries++) {
    await signOut();
    seen.throttled = await signIn({ username: "nobody", password: "wrong" });
  }
  seen.after = (await session()).status;
  seen.again = (await signIn({ username: "ada", password })).status;
  return seen;
};

/** What a page does that may not: each try's outcome. */
const attack = async ({ api, mutation, credentials }) => {
  const tries = {};
  const attempt = async (name, path, options) => {
    try {
      const response = await fetch(api + path, { credentials: "include", ...options });
      tries[name] = response.type;
    } catch (error) {
      tries[name] = error.name;
    }
  };
  const body = JSON.stringify({ query: mutation });
  const json = { "Content-Type": "application/json" };
  const login = "/_allauth/browser/v1/auth/login";
  await attempt("csrf", "/csrf", {});
  await attempt("session", "/_allauth/browser/v1/auth/session", {});
  await attempt("json", "/graphql", { method: "POST", headers: json, body });
  const proof = { ...json, "X-CSRFToken": "a".repeat(32) };
  await attempt("proven", "/graphql", { method: "POST", headers: proof, body });
  await attempt("sign in", login, { method: "POST", headers: json, body: credentials });
  await attempt("plain", "/graphql", { method: "POST", body });
  const blind = { method: "POST", mode: "no-cors" };
  await attempt("blind plain", "/graphql", { ...blind, body });
  await attempt("blind json", "/graphql", { ...blind, headers: json, body }); // is sent as text
  const form = new URLSearchParams({ query: mutation });
  await attempt("blind form", "/graphql", { ...blind, body: form });
  await attempt("blind query", `/graphql?${form}`, { ...blind, body: "" });
  await attempt("blind sign in", login, { ...blind, body: credentials });
  tries.socket = await globalThis.ask(api, mutation);
  return tries;
};

/** One operation over a WebSocket: the answer, or the word "refused". */
const ask = (api, query) =>
  new Promise((resolve) => {
    const socket = new WebSocket(`${api.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    const say = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => say({ type: "connection_init" });
    socket.onerror = () => resolve("refused");
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "connection_ack") {
        say({ id: "1", type: "subscribe", payload: { query } });
      } else if (message.type !== "ping") {
        resolve(message.payload);
        socket.close();
      }
    };
  });

const mutation = 'mutation { countWords(input: {text: "a b"}) { run { id } errors { code } } }';
const credentials = JSON.stringify({ username: "ada", password });
const given = { api, password, mutation, credentials };

async function open(origin) {
  const page = await context.newPage();
  await page.addInitScript(`globalThis.ask = ${ask}`);
  await page.goto(origin);
  return page;
}

/** Sends a form as a click on a foreign page does; the status with which it is answered. */
async function submit(origin, enctype) {
  const page = await open(origin);
  const answered = page.waitForResponse((response) => response.url().startsWith(api));
  await page.evaluate(
    ({ api, mutation, enctype }) => {
      const form = document.createElement("form");
      Object.assign(form, { method: "post", action: `${api}/graphql`, enctype });
      const field = document.createElement("input");
      // As text/plain this becomes a body of JSON.
      field.name = `{"query": ${JSON.stringify(mutation)}, "variables": {}, "operationName": null, "x": "`;
      field.value = '"}';
      form.append(field);
      document.body.append(form);
      form.submit();
    },
    { api, mutation, enctype },
  );
  const status = (await answered).status();
  await page.close();
  return status;
}

const own = await open(listed);
seen.app = await own.evaluate(app, given);

const foreign = await open(unlisted);
foreign.on("response", (response) => {
  if (response.url().startsWith(api)) {
    seen.statuses.push([response.request().method(), response.status()]);
  }
});
seen.unlisted = await foreign.evaluate(attack, given);
seen.forms = {};
for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
  seen.forms[enctype] = await submit(unlisted, enctype);
}

// A sandboxed frame has an origin of its own, which browsers send as `null`.
seen.opaque = await own.evaluate(
  ({ script }) =>
    new Promise((resolve) => {
      globalThis.addEventListener("message", ({ data, origin }) => resolve({ ...data, origin }));
      const frame = document.createElement("iframe");
      frame.sandbox = "allow-scripts";
      frame.srcdoc = `<script>${script}</${"script"}>`;
      document.body.append(frame);
    }),
  {
    script:
      `globalThis.ask = ${ask}; ` +
      `(${attack})(${JSON.stringify(given)}).then((tries) => parent.postMessage(tries, "*"))`,
  },
);
seen.stillSignedIn = await own.evaluate(
  async () => (await (await import("/session.js")).session()).status,
);

await browser.close();
console.log(JSON.stringify(seen));
