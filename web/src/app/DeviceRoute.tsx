import { DevicePage } from "../features/device/DevicePage";
import { device } from "./device";

export const DeviceRoute = () => <DevicePage open={device.files} own={device.own} />;
