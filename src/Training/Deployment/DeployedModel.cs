using Pascl.Training.Checkpoints;
using Pascl.Training.Model;

namespace Pascl.Training.Deployment;

/// <summary>What leaves the house: a network, and what its users must know of it.</summary>
/// <param name="Network">The network; it computes in float32.</param>
/// <param name="ClassNames">Class names in label order.</param>
/// <param name="ImageSize">Rows and columns of the images it is verified on.</param>
/// <param name="Score">The out-of-distribution score.</param>
/// <param name="Calibration">The threshold of that score; null where images are not to be accepted or rejected.</param>
internal sealed record DeployedModel(
    DualBranchResNet Network, IReadOnlyList<string> ClassNames, int ImageSize, DeployedScore Score, Calibration? Calibration);
