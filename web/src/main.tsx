// GraphiQL on this service, under a bar that signs in.
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./page.css";
import { GraphiQL } from "graphiql";
import { useState } from "react";
import { createRoot } from "react-dom/client";
import { makeFetcher, type Session, signIn, token } from "./service";
import { SignInBar } from "./sign-in";
import cancel from "./tabs/cancel.graphql?raw";
import list from "./tabs/list.graphql?raw";
import start from "./tabs/start.graphql?raw";
import upload from "./tabs/upload.graphql?raw";
import watch from "./tabs/watch.graphql?raw";

const TABS = [start, watch, list, cancel, upload].map((query) => ({ query }));

function Page({ first }: { first: Session }) {
  const [session, setSession] = useState(first);
  const [notice, setNotice] = useState<string | null>(null);
  const [fetcher] = useState(() =>
    makeFetcher((fault) => setNotice(fault && `No docs and no completion: ${fault}`)),
  );
  return (
    <div className="graphiql-container page">
      <SignInBar session={session} onChange={setSession} notice={notice} />
      <main>
        <GraphiQL fetcher={fetcher} defaultTabs={TABS} showPersistHeadersSettings={false}>
          <GraphiQL.Logo>{null}</GraphiQL.Logo>
        </GraphiQL>
      </main>
    </div>
  );
}

const page = document.getElementById("page");
if (page) {
  // The first question is asked before GraphiQL asks its own, so that a revoked token spoils none.
  const first = await signIn(token.get());
  createRoot(page).render(<Page first={first} />);
}
