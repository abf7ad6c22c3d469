import { connect } from "../page/apollo-ws";
import { apollo } from "./apollo";

apollo(connect);
