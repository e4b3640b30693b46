import type { ReactNode } from "react";

function icon(shape: ReactNode) {
  return function Icon() {
    return (
      <svg
        className="icon"
        viewBox="0 0 20 20"
        width="18"
        height="18"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.6"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
      >
        {shape}
      </svg>
    );
  };
}

export const PlusIcon = icon(<path d="M10 4v12M4 10h12" />);
export const SearchIcon = icon(<path d="M9 3.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11M13 13l3.5 3.5" />);
export const ModelsIcon = icon(<path d="M10 2.8 16.5 6.4v7.2L10 17.2l-6.5-3.6V6.4zM3.7 6.5 10 10l6.3-3.5M10 10v7" />);
export const PanelIcon = icon(
  <path d="M4 3.5h12a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-11a1 1 0 0 1 1-1M8 3.5v13" />,
);
export const MenuIcon = icon(<path d="M3 5.5h14M3 10h14M3 14.5h14" />);
export const PencilIcon = icon(<path d="m4 16 .8-3.2L13.5 4l2.5 2.5-8.8 8.7zM11.8 5.8l2.4 2.4" />);
export const TrashIcon = icon(<path d="M3.5 5.5h13M8 5.5v-2h4v2M5.3 5.5l.7 11h8l.7-11" />);
export const CheckIcon = icon(<path d="m4 10.5 4 4 8-9" />);
export const SunIcon = icon(
  <path d="M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7M10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1 1M14.7 14.7l1 1M15.7 4.3l-1 1M5.3 14.7l-1 1" />,
);
export const MoonIcon = icon(<path d="M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3" />);
export const ScreenIcon = icon(<path d="M3 4h14v9.5H3zM7.5 16.5h5M10 13.5v3" />);
export const KeysIcon = icon(
  <path d="M2.5 5.5h15v9h-15zM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M6.5 11.7h7" />,
);
export const DownIcon = icon(<path d="M10 4v12M5 11l5 5 5-5" />);
export const ChevronIcon = icon(<path d="m6 8 4 4 4-4" />);

const UpIcon = icon(<path d="m6 12 4-4 4 4" />);
/** Which way a column is sorted. */
export function ArrowIcon({ down }: { down: boolean }) {
  return down ? <ChevronIcon /> : <UpIcon />;
}
export const BackIcon = icon(<path d="m12 5-5 5 5 5" />);
export const UndoIcon = icon(<path d="M4 8h8.5a4 4 0 0 1 0 8H8M7 4.5 3.5 8 7 11.5" />);
export const GetIcon = icon(<path d="M10 3v9.5M6 9l4 4 4-4M3.5 16.5h13" />);
export const CrossIcon = icon(<path d="m5 5 10 10M15 5 5 15" />);
export const DashboardIcon = icon(<path d="M3.5 15.5a7.5 7.5 0 1 1 13 0zM10 12.5l3-4" />);
export const ChartIcon = icon(<path d="M3 3.5v13h14M6 12.5l3.5-4 3 2.5 4-5.5" />);
export const LinesIcon = icon(<path d="M3.5 5h13M3.5 10h13M3.5 15h8" />);
export const SlidersIcon = icon(
  <path d="M3.5 6h6M14 6h2.5M3.5 14H6M10.500 14h6M11.700 3.800a2.200 2.200 0 1 1 0 4.400a2.200 2.200 0 0 1 0-4.400M8.200 11.800a2.200 2.200 0 1 1 0 4.400a2.200 2.200 0 0 1 0-4.400" />,
);
export const GearIcon = icon(
  <path d="M10 7.400a2.600 2.600 0 1 1 0 5.200a2.600 2.600 0 0 1 0-5.200M10 2.500v2.300M10 15.200v2.300M2.500 10h2.300M15.200 10h2.300M4.700 4.700l1.600 1.600M13.700 13.700l1.600 1.600M15.300 4.700l-1.600 1.600M6.300 13.700l-1.600 1.600" />,
);
export const MoreIcon = icon(<path d="M4.500 10h.01M10 10h.01M15.500 10h.01" />);
export const GripIcon = icon(
  <path d="M7.500 5h.01M12.500 5h.01M7.500 10h.01M12.500 10h.01M7.500 15h.01M12.500 15h.01" />,
);
export const DeviceIcon = icon(<path d="M4.500 4h11v8.500h-11zM2.500 15.500h15M10 6v4M8 8.500l2 2l2-2" />);
export const BugIcon = icon(
  <path d="M7 7a3 3 0 0 1 6 0M6 8.500h8v4a4 4 0 0 1-8 0zM10 8.500v8M6 11H3M17 11h-3M6.300 14.500L4 16.500M13.700 14.500l2.300 2M6 8.500L4 6.500M14 8.500l2-2" />,
);
export const GaugeIcon = icon(<path d="M3.500 14.500a7 7 0 1 1 13 0M10 12l3.500-3.500M10 12h.01" />);
export const CloudIcon = icon(
  <path d="M5.500 15.500a3.500 3.500 0 0 1-.3-7a5 5 0 0 1 9.600-.3a3.700 3.700 0 0 1-.3 7.300z" />,
);
export const ForkIcon = icon(
  <path d="M3 10h4c3 0 3-5 6-5h3.500M7 10c3 0 3 5 6 5h3.500M14.500 3l2 2l-2 2M14.500 13l2 2l-2 2" />,
);
export const FlaskIcon = icon(
  <path d="M8 3v5l-4.500 7.500a.7.7 0 0 0 .6 1h11.800a.7.7 0 0 0 .6-1L12 8V3M6.500 3h7M6 12h8" />,
);
