// Pascl's command line, with a published ResNet18 as frozen backbone of every training:
//
//     dotnet run -c Release --project samples/FrozenBackbone -- train --id photos --outliers web-images --max-outliers 1000 --ood noise:blobs --epochs 30
//     dotnet run -c Release --project samples/FrozenBackbone -- score RUN photo.jpg
//
// The model wants what its package's ResNetPreprocess.onnx does: blue, green and red from 0 to 255, less a mean image. The mean of that image in each channel stands
// for it here; it is within 16 of the image in every pixel, and 3 to 6 of 255 away on the average (root mean square).
using Pascl.Training.Cli;

string[] backbone =
[
    "--backbone", Path.Combine(AppContext.BaseDirectory, "ResNet18.onnx"),
    "--backbone-channels", "bgr",
    "--backbone-range", "bytes",
    "--backbone-mean", "103.063", "115.903", "123.152",
    "--backbone-deviation", "1", "1", "1",
];
return PasclCommand.Run(args is ["train", ..] && !args.Contains("--resume") ? [.. args, .. backbone] : args);
