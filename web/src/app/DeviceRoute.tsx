import { DevicePage } from "../features/device/DevicePage";
import { modelFiles } from "./device";

export const DeviceRoute = () => <DevicePage open={modelFiles} />;
