export default {
  input: "openapi.json",
  output: {
    path: process.env.GENERATED,
    // Node.js takes relative imports of ES modules with their extension only.
    module: { extension: ".js" },
  },
  plugins: [
    "@hey-api/client-fetch",
    // Named values, such as Decision.APPROVED, as constant objects.
    { name: "@hey-api/typescript", enums: "javascript" },
    "@hey-api/sdk",
  ],
  logs: { file: false },
};
