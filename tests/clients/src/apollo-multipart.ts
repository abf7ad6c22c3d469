import { connect } from "../page/apollo";
import { apollo } from "./apollo";

apollo(connect);
