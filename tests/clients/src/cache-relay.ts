/** What docs/clients.md says of Relay's store, tried. */
import { createOperationDescriptor, fetchQuery, getRequest } from "relay-runtime";
import { connect } from "../page/relay";
import { cancelRun, startCount, watchRun } from "../page/relayRun";
import { Runs, watchRuns } from "../page/relayRuns";
import { equal, pause, tried, until } from "./trial";

await tried(async ({ url, headers, gate, requests, cut }) => {
  const variables = { first: 10 };
  const readAgain = () => void fetchQuery(environment, Runs, variables).subscribe({});
  const environment = connect(url, headers, readAgain);
  const started = async (name: string, isOpen?: true) =>
    (await startCount(environment, gate(name, isOpen))).run!.id;
  const [first, second] = [await started("a"), await started("b")];

  await fetchQuery(environment, Runs, variables).toPromise();
  const list = createOperationDescriptor(getRequest(Runs), variables);
  environment.retain(list);
  const shown = (): any[] =>
    (environment.lookup(list.fragment).data as any).runs.edges.map(({ node }: any) => node);
  const ids = () => shown().map(({ id }) => id);
  equal(ids(), [second, first]);

  let before = requests();
  const ignore = { next: () => {}, onError: () => {}, onCompleted: () => {} };
  watchRun(environment, { id: first }, ignore);
  await until(() => shown()[1].progress?.done > 3);
  equal(requests(), before, "a watch asks for nothing more");

  cancelRun(environment, first);
  equal(shown()[1].status, "CANCELING", "at once");
  await until(() => shown()[1].status === "CANCELED");

  before = requests();
  watchRuns(environment, variables, shown);
  await pause(500);
  gate("b", true);
  await until(() => shown()[0].status === "SUCCEEDED");
  equal(requests(), before, "a change of what is shown asks for nothing more");
  const third = await started("c");
  await until(() => shown().length === 3);
  equal(ids(), [third, second, first]);
  await until(() => shown()[0].progress?.done > 3);
  before = requests();
  await until(() => shown()[0].progress?.done > 8);
  equal(requests(), before, "once it is shown, its changes ask for nothing more");

  cut();
  const fourth = await started("d", true); // over before it is connected again
  await until(() => shown()[0].id === fourth);
});
