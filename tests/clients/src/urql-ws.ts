import { connect } from "../page/urql-ws";
import { urql } from "./urql";

urql(connect);
