namespace Pascl.Training.Deployment.Serving;

/// <summary>An image file as it came in a request.</summary>
/// <param name="Name">Its name on the sender's side; null for a body that is the image itself.</param>
/// <param name="Content">The file.</param>
internal sealed record Upload(string? Name, ReadOnlyMemory<byte> Content);
