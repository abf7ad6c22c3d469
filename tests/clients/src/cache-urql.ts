/** What docs/clients.md says of graphcache, tried. */
import { gql } from "@urql/core";
import { pipe, subscribe, type Subscription } from "wonka";
import { ReadRun } from "../page/documents";
import { Runs } from "../page/lists";
import { cancelRun, showRuns, startCount, watchRun, watchRuns } from "../page/urql-use";
import { connect } from "../page/urql-ws";
import { equal, pause, tried, until } from "./trial";

await tried(async ({ url, headers, gate, requests, cut }) => {
  const fresh = { requestPolicy: "network-only" } as const;
  const readAgain = () => void client.query(Runs, { first: 2 }, fresh).toPromise();
  const client = connect(url, headers, readAgain);
  const started = async (name: string, isOpen?: true) =>
    (await startCount(client, gate(name, isOpen))).run!.id;
  const [first, second, third] = [await started("a"), await started("b"), await started("c")];

  // Pages as components show them: each with a query of its own.
  const pages: any[][] = [];
  const ends: (string | null | undefined)[] = [];
  const showing: Subscription[] = [];
  const show = (page: number, after?: string) => {
    showing[page]?.unsubscribe();
    showing[page] = pipe(
      showRuns(client, 2, after),
      subscribe(({ data }) => {
        if (!data) return;
        pages[page] = data.runs.edges.map(({ node }) => node);
        const { endCursor, hasNextPage } = data.runs.pageInfo;
        if (ends[page] === endCursor) return;
        ends[page] = endCursor;
        if (hasNextPage && endCursor) show(page + 1, endCursor);
      }),
    );
  };
  const shown = () => pages.flat();
  const ids = () => shown().map(({ id }) => id);
  show(0);
  await until(() => shown().length === 3);
  equal(ids(), [third, second, first]);

  let before = requests();
  watchRun(client, first).subscribe(() => {});
  await until(() => shown()[2].progress?.done > 3);
  equal(requests(), before, "a watch asks for nothing more");

  const read = await client.query(ReadRun, { id: first }).toPromise();
  equal(read.data?.run?.id, first);
  equal(requests(), before, "a known run is not asked for again");

  const little = gql`subscription Little($id: ID!) { run(id: $id) { id progress { done } } }`;
  client.subscription(little, { id: first }).subscribe(() => {});
  await until(() => shown()[2].progress?.done > 8);
  equal(requests(), before, "a smaller selection displaces nothing");

  const done = cancelRun(client, first);
  await new Promise((resolve) => setImmediate(resolve));
  equal(shown()[2].status, "CANCELING", "at once");
  await done;
  await until(() => shown()[2].status === "CANCELED");

  before = requests();
  watchRuns(client, shown, readAgain);
  await pause(500);
  gate("b", true);
  await until(() => shown()[1].status === "SUCCEEDED");
  equal(requests(), before, "a change of what is shown asks for nothing more");
  const fourth = await started("d");
  await until(() => shown().length === 4);
  equal(ids(), [fourth, third, second, first]);
  await until(() => shown()[0].progress?.done > 3);
  before = requests();
  await until(() => shown()[0].progress?.done > 8);
  equal(requests(), before, "once it is shown, its changes ask for nothing more");

  cut();
  const fifth = await started("e", true); // over before it is connected again
  await until(() => shown()[0].id === fifth);

  const again = gql`mutation Again($id: ID!) {
    rerun(id: $id) { ... on StartPayload { replayed } ... on Payload { errors { code } } } }`;
  const { data } = await client.mutation(again, { id: first }).toPromise();
  equal((data as any).rerun.replayed, false, "fragments on interfaces match");
});
