/** What docs/clients.md says of Apollo's cache, tried. */
import { gql } from "@apollo/client";
import { cancelRun, startCount, watchRun, watchRuns } from "../page/apollo-use";
import { connect } from "../page/apollo-ws";
import { ReadRun } from "../page/documents";
import { Runs } from "../page/lists";
import { equal, pause, tried, until } from "./trial";

await tried(async ({ url, headers, gate, requests, cut }) => {
  const client = connect(url, headers, () => void list.refetch());
  const started = async (name: string, isOpen?: true) =>
    (await startCount(client, gate(name, isOpen))).run!.id;
  const [first, second, third] = [await started("a"), await started("b"), await started("c")];

  const list = client.watchQuery({ query: Runs, variables: { first: 2 } });
  let shown: any[] = [];
  list.subscribe(({ data }) => (shown = data?.runs?.edges?.map(({ node }: any) => node) ?? []));
  const ids = () => shown.map(({ id }) => id);
  await until(() => shown.length > 0);
  equal(ids(), [third, second]);
  const after = list.getCurrentResult().data?.runs?.pageInfo?.endCursor;
  await list.fetchMore({ variables: { after } });
  await until(() => shown.length > 2);
  equal(ids(), [third, second, first]);

  let before = requests();
  watchRun(client, first).subscribe({});
  await until(() => shown[2].progress?.done > 3);
  equal(requests(), before, "a watch asks for nothing more");

  const read = await client.query({ query: ReadRun, variables: { id: first } });
  equal(read.data?.run?.id, first);
  equal(requests(), before, "a known run is not asked for again");

  const little = gql`subscription Little($id: ID!) { run(id: $id) { id progress { done } } }`;
  client.subscribe({ query: little, variables: { id: first } }).subscribe({});
  await until(() => shown[2].progress?.done > 8);
  equal(requests(), before, "a smaller selection displaces nothing");

  const done = cancelRun(client, first);
  equal(shown[2].status, "CANCELING", "at once");
  await done;
  await until(() => shown[2].status === "CANCELED");

  before = requests();
  watchRuns(client, list);
  await pause(500);
  gate("b", true);
  await until(() => shown[1].status === "SUCCEEDED");
  equal(requests(), before, "a change of what is shown asks for nothing more");
  const fourth = await started("d");
  await until(() => shown[0].id === fourth);
  equal(ids(), [fourth, third]);
  await until(() => shown[0].progress?.done > 3);
  before = requests();
  await until(() => shown[0].progress?.done > 8);
  equal(requests(), before, "once it is shown, its changes ask for nothing more");

  cut();
  const fifth = await started("e", true); // over before it is connected again
  await until(() => shown[0].id === fifth);

  const again = gql`mutation Again($id: ID!) {
    rerun(id: $id) { ... on StartPayload { replayed } ... on Payload { errors { code } } } }`;
  const { data } = await client.mutate({ mutation: again, variables: { id: first } });
  equal((data as any).rerun.replayed, false, "fragments on interfaces match");
});
