/** Whether this is the build that runs from any host of plain files, with no Corral server behind it (`npm run build:static`). */
export const SERVERLESS = import.meta.env.MODE === "static";
