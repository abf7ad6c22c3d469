import { connect } from "../page/urql";
import { urql } from "./urql";

urql(connect);
