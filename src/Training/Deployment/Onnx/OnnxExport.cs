using Google.Protobuf;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>Writes the deployed model as an ONNX file that was verified.</summary>
internal static class OnnxExport
{
    /// <summary>Writes the file if ONNX Runtime agrees with torch on the images, and returns how well.</summary>
    /// <exception cref="InputException">They do not agree, or the file could not be written; nothing was changed.</exception>
    public static OnnxAgreement Write(string path, DeployedModel deployed, PixelType input, ImageSet images)
    {
        var model = OnnxModel.Create(deployed, input).ToByteArray();
        var agreement = OnnxVerification.Compare(model, deployed, input, images);
        if (!agreement.Holds)
        {
            throw new InputException(FormattableString.Invariant(
                $"ONNX Runtime and torch disagree on {images.Name}: by {agreement.Logits:0.0e+0} in a logit, {agreement.Probabilities:0.0e+0} ")
                + FormattableString.Invariant($"in a probability, {agreement.Scores:0.0e+0} in a score ({OnnxAgreement.Allowed:0e+0} is allowed), ")
                + $"and in {agreement.Decisions} decisions. Nothing was written.");
        }

        DurableFile.Replace(path, stream => stream.Write(model));
        return agreement;
    }
}
